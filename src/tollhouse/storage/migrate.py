"""Migrations: numbered SQL files, forward only, each applied once, in order, in a transaction of its own.

A file is `NNNN_pre_name.sql` (may run while the older code still serves) or `NNNN_post_name.sql` (after it has gone).
Rules: one migration runs at a time (advisory lock); what was applied is recorded with a checksum, and a file that has
changed since is an error; a database newer than the code is refused. After every run the catalogue is linted.
Never: goes backwards, edits an applied file's effect, runs as anybody but the owner.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import msgspec
import psycopg

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.lint import check_catalogue
from tollhouse.storage.postgres import (
    CONNECT_TIMEOUT_S,
    Connection,
    DatabaseUrls,
    database_urls,
    load_statements,
    translated,
)
from tollhouse.storage.roles import ensure_group_roles, ensure_login_roles

SERVER_VERSION_MIN = 150000
LOCK_KEY = 0x746F_6C6C  # "toll"
FILE_NAME = re.compile(r"^(\d{4})_(pre|post)_[a-z0-9_]+\.sql$")
MONTHS_AHEAD = "3 months"

_statements = load_statements("tollhouse.storage")


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its number, name, statements, and SHA-256."""

    number: int
    name: str
    statements: str
    checksum: bytes


def load_migrations(package: str = "tollhouse.storage") -> tuple[Migration, ...]:
    """All files in order; an assertion fails if numbers are not 1, 2, 3, …"""
    found = []
    for file in files(package).joinpath("migrations").iterdir():
        matched = FILE_NAME.match(file.name)
        if matched:
            text = file.read_text("utf-8")
            checksum = hashlib.sha256(text.encode()).digest()
            found.append(Migration(number=int(matched[1]), name=file.name, statements=text, checksum=checksum))
    found.sort(key=lambda migration: migration.number)
    assert [migration.number for migration in found] == list(range(1, len(found) + 1)), (
        "migrations are not numbered in a row"
    )
    return tuple(found)


def migrate(
    owner_url: str, secret: Secret, migrations: tuple[Migration, ...] | None = None
) -> tuple[DatabaseUrls, tuple[str, ...]]:
    """Bring a database up to the code, with its roles and partitions; its URLs and the names of what was applied.

    Idempotent and safe to call from several processes at once. StorageError says what is wrong.
    """
    urls = database_urls(owner_url, secret)
    wanted = load_migrations() if migrations is None else migrations
    with (
        translated("migrating the database"),
        psycopg.connect(urls.owner, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection,
    ):
        check_server_version(connection.info.server_version)
        connection.execute(_statements["lock_migrations"], {"key": LOCK_KEY})
        ensure_group_roles(connection)
        applied = _apply_missing(connection, wanted)
        ensure_login_roles(connection, secret)
        connection.execute(_statements["ensure_partitions_ahead"], {"ahead": MONTHS_AHEAD})
        check_catalogue(connection)
    return urls, applied


def check_server_version(server_version: int) -> None:
    """`server_version` as the server counts it: 150004 is 15.4. StorageError if it is too old."""
    if server_version < SERVER_VERSION_MIN:
        raise StorageError(
            f"the database is PostgreSQL {server_version // 10000}, and Tollhouse needs {SERVER_VERSION_MIN // 10000} "
            "or newer: upgrade it, or leave DATABASE_URL out to use the embedded one"
        )


def _apply_missing(connection: Connection, wanted: tuple[Migration, ...]) -> tuple[str, ...]:
    connection.execute(_statements["make_schema"])
    connection.execute(_statements["make_migrations"])
    rows = connection.execute(_statements["applied_migrations"]).fetchall()
    known = {migration.number: migration for migration in wanted}
    for number, name, checksum in rows:
        migration = known.get(number)
        if migration is None:
            raise StorageError(
                f"the database is newer than this Tollhouse (it has migration {name}): "
                "run the version that made it, or a newer one"
            )
        if bytes(checksum) != migration.checksum:
            raise StorageError(
                f"the database was made by another version of Tollhouse, whose migration {name} differs from this "
                "one's: run the version that made it, or restore a backup into a new database"
            )
    done = {row[0] for row in rows}
    missing = [migration for migration in wanted if migration.number not in done]
    for migration in missing:
        _apply(connection, migration)
    return tuple(migration.name for migration in missing)


def _apply(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.statements.encode())
            values = {"number": migration.number, "name": migration.name, "checksum": migration.checksum}
            connection.execute(_statements["record_migration"], values)
    except psycopg.Error as error:
        raise StorageError(f"migration {migration.name} failed and was undone: {error.diag.message_primary}") from error
