"""A look at a database, and what it finds where something was done to it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.health import database_health, pending_migrations
from tollhouse.storage.migrate import load_migrations
from tollhouse.storage.postgres import DatabaseUrls


def test_a_sound_database(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """Nothing to say."""
    health = database_health(database.owner, postgres_cluster.secret)
    assert health.version.startswith("18.")
    assert not health.too_old
    assert (health.pending, health.foreign, health.catalogue, health.roles) == ((), (), (), ())
    assert abs(health.clock_ahead_s) < 1
    assert pending_migrations(database.owner) == ()


def test_an_empty_database(postgres_cluster: Any) -> None:
    """Every migration is missing, and nothing else is asked."""
    url = postgres_cluster.create_database("health_empty")
    try:
        health = database_health(url, postgres_cluster.secret)
        assert health.pending == tuple(migration.name for migration in load_migrations()) == pending_migrations(url)
        assert (health.catalogue, health.roles) == ((), ())
    finally:
        postgres_cluster.drop_database("health_empty")


def test_a_wall_that_was_torn_down(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """Row security that somebody turned off is found."""
    with psycopg.connect(database.owner) as connection:
        connection.execute("ALTER TABLE th.gateway_keys NO FORCE ROW LEVEL SECURITY")
    findings = database_health(database.owner, postgres_cluster.secret).catalogue
    assert findings == ("th.gateway_keys has no forced row security",)


def test_roles_that_are_wrong(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """One that row security does not bind, and one that cannot connect any more."""
    name = psycopg.conninfo.conninfo_to_dict(database.owner)["dbname"]
    app, gateway = sql.Identifier(f"th_app_{name}"), sql.Identifier(f"th_gateway_{name}")
    with psycopg.connect(postgres_cluster.server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(app))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD 'changed'").format(gateway))
    troubles = database_health(database.owner, postgres_cluster.secret).roles
    assert troubles == (f"the role th_app_{name} is not bound by row security", "the gateway's role cannot connect")


def test_migrations_of_another_version(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """One that the code does not know, and one that has changed."""
    with psycopg.connect(database.owner) as connection:
        connection.execute("INSERT INTO th.migrations VALUES (9000, '9000_pre_future.sql', '\\x00')")
        connection.execute("UPDATE th.migrations SET checksum = '\\x00' WHERE number = 1")
    health = database_health(database.owner, postgres_cluster.secret)
    assert health.foreign == ("0001_pre_foundation.sql", "9000_pre_future.sql")


def test_a_database_that_is_away(postgres_cluster: Any) -> None:
    """Is said without a password."""
    url = "postgresql://tollhouse:verysecret@127.0.0.1:1/none"
    with pytest.raises(StorageError) as caught:
        database_health(url, postgres_cluster.secret)
    assert "verysecret" not in str(caught.value)
