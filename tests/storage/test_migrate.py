"""Migrations on the real engine: once, in order, at once from several sides, and never over what they do not know."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import psycopg
import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.migrate import Migration, check_server_version, load_migrations, migrate
from tollhouse.storage.postgres import DatabaseUrls, database_urls


@pytest.fixture
def fresh(postgres_cluster: Any) -> Any:
    """Makes empty databases by name; dropped at the end."""
    names = []

    def make(name: str) -> str:
        names.append(name)
        return str(postgres_cluster.create_database(name))

    yield make
    for name in names:
        postgres_cluster.drop_database(name)


def next_migration(statements: str) -> tuple[Migration, ...]:
    known = load_migrations()
    return (*known, Migration(number=len(known) + 1, name="9999_pre_test.sql", statements=statements, checksum=b"x"))


def test_a_second_run_applies_nothing(fresh: Any, postgres_cluster: Any) -> None:
    """All files at first, in order; then none."""
    dsn = fresh("migrate_twice")
    _, applied = migrate(dsn, postgres_cluster.secret)
    assert applied == tuple(migration.name for migration in load_migrations())
    assert migrate(dsn, postgres_cluster.secret)[1] == ()


def test_databases_of_one_cluster_may_be_migrated_at_once(fresh: Any, postgres_cluster: Any) -> None:
    """They share the group roles; and two processes may migrate the same database."""
    dsns = [fresh(f"migrate_{number}") for number in range(3)] * 2
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda dsn: migrate(dsn, postgres_cluster.secret), dsns))
    everything = len(load_migrations())
    assert sorted(len(applied) for _, applied in results) == [0, 0, 0, everything, everything, everything]
    for urls, _ in results:
        for url in (urls.app, urls.gateway):
            psycopg.connect(url).close()


def test_a_changed_migration_is_an_error(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """What was applied is what the file says, or nobody knows what the database is."""
    first, *others = load_migrations()
    changed = msgspec.structs.replace(first, checksum=b"other")
    with pytest.raises(
        StorageError, match=r"0001_pre_foundation\.sql differs from .* run the version that made it, or restore"
    ):
        migrate(database.owner, postgres_cluster.secret, (changed, *others))


def test_a_newer_database_is_refused(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """Older code does not know what newer tables mean."""
    with pytest.raises(StorageError, match="newer than this Tollhouse"):
        migrate(database.owner, postgres_cluster.secret, load_migrations()[:-1])


def test_a_failing_migration_leaves_nothing(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """It is undone as a whole, and the next run tries it again."""
    broken = next_migration("CREATE TABLE th.half (); SELECT 1 / 0;")
    with pytest.raises(StorageError, match=r"9999_pre_test\.sql failed and was undone: division by zero"):
        migrate(database.owner, postgres_cluster.secret, broken)
    with psycopg.connect(database.owner) as connection:
        assert connection.execute("SELECT to_regclass('th.half')").fetchone() == (None,)


def test_a_migration_that_forgets_row_security_is_found(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """The catalogue is linted after every run."""
    forgetful = next_migration("CREATE TABLE th.forgotten (tenant_id uuid PRIMARY KEY);")
    with pytest.raises(StorageError, match=r"th\.forgotten has no forced row security"):
        migrate(database.owner, postgres_cluster.secret, forgetful)


def test_another_secret_is_refused(database: DatabaseUrls, postgres_cluster: Any) -> None:
    """A second data directory must not change the passwords under the first; forgetting the first is an act."""
    other = Secret(bytes(32))
    with pytest.raises(StorageError, match="belongs to another data directory"):
        migrate(database.owner, other)
    psycopg.connect(database.app).close()
    with psycopg.connect(database.owner) as connection:
        connection.execute("UPDATE th.deployment SET secret_fingerprint = NULL")
    migrate(database.owner, other)
    psycopg.connect(database_urls(database.owner, other).app).close()


def test_the_login_of_one_database_cannot_enter_another(
    database: DatabaseUrls, fresh: Any, postgres_cluster: Any
) -> None:
    """The group roles are the cluster's; the right to connect is not."""
    elsewhere = fresh("migrate_elsewhere")
    migrate(elsewhere, postgres_cluster.secret)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(database.app, dbname="migrate_elsewhere")


def test_an_old_server_is_refused() -> None:
    """With its version and the one that is needed."""
    with pytest.raises(StorageError, match="is PostgreSQL 14, and Tollhouse needs 15"):
        check_server_version(140022)
    check_server_version(150000)
