"""Roles on the real engine: made once, sent no password, closed to others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.postgres import DatabaseUrls, login_role
from tollhouse.storage.roles import APP, GATEWAY, LEDGER, ensure_group_roles, ensure_login_roles


@pytest.fixture
def owner(database: DatabaseUrls) -> Iterator[psycopg.Connection[Any]]:
    """The owner of a migrated database, as `migrate` connects."""
    with psycopg.connect(database.owner, autocommit=True) as connection:
        yield connection


@pytest.fixture
def superuser(postgres_cluster: Any, owner: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Who may look at verifiers and make roles of any kind."""
    dsn = postgres_cluster.server.superuser_dsn(owner.info.dbname)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def test_groups_cannot_log_in_and_logins_are_their_members(owner: psycopg.Connection[Any]) -> None:
    """Each login role of the database is in one group, and none is above row security."""
    app, gateway = (login_role(job, owner.info.dbname) for job in ("app", "gateway"))
    rows = owner.execute(
        "SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        ([APP, GATEWAY, LEDGER, app, gateway],),
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        **dict.fromkeys((APP, GATEWAY, LEDGER), (False, False)),
        **dict.fromkeys((app, gateway), (True, False)),
    }
    for login, groups in ((app, [APP]), (gateway, [GATEWAY])):
        found = owner.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", (login,)
        ).fetchall()
        assert [row[0] for row in found] == groups


def test_making_them_again_changes_nothing(
    owner: psycopg.Connection[Any], superuser: psycopg.Connection[Any], postgres_cluster: Any
) -> None:
    """The verifiers stay: a password that is renewed would cut off who is connecting."""

    def verifiers() -> list[Any]:
        names = [login_role(job, owner.info.dbname) for job in ("app", "gateway")]
        query = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s) ORDER BY rolname"
        return superuser.execute(query, (names,)).fetchall()

    before = verifiers()
    ensure_group_roles(owner)
    ensure_login_roles(owner, postgres_cluster.secret)
    assert verifiers() == before
    assert all(row[1].startswith("SCRAM-SHA-256$") for row in before), "no password reached the server"


def test_a_lost_login_role_is_made_again(
    database: DatabaseUrls, owner: psycopg.Connection[Any], superuser: psycopg.Connection[Any], postgres_cluster: Any
) -> None:
    """As after a restore into another cluster."""
    name = sql.Identifier(login_role("app", owner.info.dbname))
    superuser.execute(sql.SQL("DROP OWNED BY {}").format(name))
    superuser.execute(sql.SQL("DROP ROLE {}").format(name))
    ensure_login_roles(owner, postgres_cluster.secret)
    psycopg.connect(database.app).close()


def test_another_secret_changes_nothing(database: DatabaseUrls, owner: psycopg.Connection[Any]) -> None:
    """The error says where the right one is."""
    with pytest.raises(StorageError, match="copy the file `database-secret` from there"):
        ensure_login_roles(owner, Secret(bytes(32)))
    psycopg.connect(database.app).close()


def test_nobody_else_may_connect(owner: psycopg.Connection[Any], superuser: psycopg.Connection[Any]) -> None:
    """The right that PostgreSQL gives everybody is taken away."""
    row = superuser.execute(
        "SELECT count(*) FROM pg_database, aclexplode(datacl) AS acl WHERE datname = %s AND acl.grantee = 0",
        (owner.info.dbname,),
    ).fetchone()
    assert row == (0,)


def test_several_starters_at_once(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """Roles lie in shared catalogues, where a concurrent change is an error rather than a wait."""

    def ensure(_: int) -> None:
        with psycopg.connect(database.owner, autocommit=True) as connection:
            ensure_group_roles(connection)
            ensure_login_roles(connection, postgres_cluster.secret)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(ensure, range(24))) == [None] * 24


def test_an_owner_that_may_not_manage_roles_is_told_what_to_grant(
    postgres_cluster: Any, owner: psycopg.Connection[Any]
) -> None:
    """An operator's own database may be owned by a role with few rights."""
    admin = postgres_cluster.server.superuser_dsn()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE ROLE humble LOGIN PASSWORD 'humble'")
        connection.execute("CREATE DATABASE humble OWNER humble")
    try:
        dsn = make_conninfo(admin, user="humble", password="humble", dbname="humble")
        with (
            psycopg.connect(dsn, autocommit=True) as connection,
            pytest.raises(StorageError, match=r"may not manage roles .* grant it CREATEROLE"),
        ):
            ensure_group_roles(connection)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("DROP DATABASE humble")
            connection.execute("DROP ROLE humble")
