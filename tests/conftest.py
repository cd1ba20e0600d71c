"""Fixtures that every room shares: a real PostgreSQL, and a freshly migrated database per test.

One embedded server per test process (so per worker of xdist), without fsync; each test's database is cloned from a
migrated template. Nothing here is started before a test asks for it.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tollhouse.kernel.secret import Secret
from tollhouse.storage.embedded import EmbeddedPostgres
from tollhouse.storage.migrate import migrate
from tollhouse.storage.postgres import DatabaseUrls, database_urls, login_role
from tollhouse.storage.roles import ensure_login_roles
from tollhouse.storage.secret_file import load_secret

UNSAFE_BUT_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "scram_iterations": "64",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}
TEMPLATE = "tollhouse_template"


class PostgresCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A running server with a migrated template database."""

    server: EmbeddedPostgres
    secret: Secret
    owner_dsn: str
    """Of the owner, in the maintenance database `tollhouse`."""

    def create_database(self, name: str, template: str = "template0") -> str:
        """An owned database; its owner's DSN."""
        with psycopg.connect(self.owner_dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return make_conninfo(self.owner_dsn, dbname=name)

    def drop_database(self, name: str) -> None:
        """The database, whoever is connected (only a superuser may end the others' connections), and its logins."""
        with psycopg.connect(self.server.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            for job in ("app", "gateway"):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login_role(job, name))))


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """One server for the whole session of this process."""
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        server = EmbeddedPostgres(Path(directory) / "data", UNSAFE_BUT_FAST)
        owner_dsn = server.start()
        try:
            secret = load_secret(server.data_dir)
            cluster = PostgresCluster(server=server, secret=secret, owner_dsn=owner_dsn)
            migrate(cluster.create_database(TEMPLATE), secret)
            yield cluster
        finally:
            server.stop()


@pytest.fixture
def database(postgres_cluster: PostgresCluster) -> Iterator[DatabaseUrls]:
    """A migrated database of the test's own, with its login roles; dropped afterwards."""
    name = f"t{next(_numbers)}"
    owner_dsn = postgres_cluster.create_database(name, TEMPLATE)
    try:
        with psycopg.connect(owner_dsn, autocommit=True) as connection:
            ensure_login_roles(connection, postgres_cluster.secret)
        yield database_urls(owner_dsn, postgres_cluster.secret)
    finally:
        postgres_cluster.drop_database(name)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"
