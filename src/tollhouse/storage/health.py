"""What an operator wants to know of a database: its version, its migrations, its catalogue, its roles, its clock.

Asked over the owner's connection, and by connecting as each role once.
Never changes anything; never says a password.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import psycopg

from tollhouse.kernel.secret import Secret
from tollhouse.storage.lint import catalogue_findings
from tollhouse.storage.migrate import SERVER_VERSION_MIN, load_migrations
from tollhouse.storage.postgres import (
    CONNECT_TIMEOUT_S,
    Connection,
    DatabaseUrls,
    database_urls,
    load_statements,
    login_role,
    translated,
)

_statements = load_statements("tollhouse.storage")


class DatabaseHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Everything empty means that all is well."""

    version: str
    """As people write it: `18.1`."""
    too_old: bool
    pending: tuple[str, ...]
    """Migrations of the code that the database does not have."""
    foreign: tuple[str, ...]
    """Migrations of the database that the code does not have, or has otherwise."""
    catalogue: tuple[str, ...]
    roles: tuple[str, ...]
    """What is wrong with the roles, a sentence each."""
    clock_ahead_s: float
    """By how much the database's clock is ahead of this host's."""


def database_health(owner_url: str, secret: Secret) -> DatabaseHealth:
    """Looks at a database. StorageError if it cannot be reached."""
    urls = database_urls(owner_url, secret)
    with (
        translated("looking at the database"),
        psycopg.connect(urls.owner, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection,
    ):
        pending, foreign = _migrations(connection)
        made = not pending
        return DatabaseHealth(
            version=_version(connection.info.server_version),
            too_old=connection.info.server_version < SERVER_VERSION_MIN,
            pending=pending,
            foreign=foreign,
            catalogue=catalogue_findings(connection) if made else (),
            roles=(*_powers(connection), *_logins(urls)) if made else (),
            clock_ahead_s=_clock_ahead_s(connection),
        )


def pending_migrations(owner_url: str) -> tuple[str, ...]:
    """Migrations of the code that a database does not have. StorageError if it cannot be reached."""
    with (
        translated("looking at the database"),
        psycopg.connect(owner_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection,
    ):
        return _migrations(connection)[0]


def _version(number: int) -> str:
    return f"{number // 10000}.{number % 10000}"


def _migrations(connection: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = {migration.number: migration for migration in load_migrations()}
    known = connection.execute(_statements["has_migrations"]).fetchone()
    rows = connection.execute(_statements["applied_migrations"]).fetchall() if known and known[0] else []
    applied = {row[0] for row in rows}
    pending = tuple(migration.name for number, migration in wanted.items() if number not in applied)
    foreign = tuple(
        name for number, name, checksum in rows if number not in wanted or wanted[number].checksum != bytes(checksum)
    )
    return pending, foreign


def _powers(connection: Connection) -> list[str]:
    """Row security binds nobody who is a superuser or bypasses it."""
    database = connection.info.dbname
    jobs = {login_role(job, database): job for job in ("app", "gateway")}
    rows = connection.execute(_statements["role_powers"], {"roles": [*jobs, "tollhouse_ledger"]}).fetchall()
    found = {row[0]: row for row in rows}
    troubles = [f"the role {role} is missing" for role in (*jobs, "tollhouse_ledger") if role not in found]
    for role, is_super, bypasses, may_log_in in found.values():
        if is_super or bypasses:
            troubles.append(f"the role {role} is not bound by row security")
        if may_log_in and role not in jobs:
            troubles.append(f"the role {role} may log in")
    return troubles


def _logins(urls: DatabaseUrls) -> list[str]:
    troubles = []
    for job, url in (("application", urls.app), ("gateway", urls.gateway)):
        try:
            psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S).close()
        except psycopg.OperationalError:
            # The driver's text would tell where; which role it was is what helps.
            troubles.append(f"the {job}'s role cannot connect")
    return troubles


def _clock_ahead_s(connection: Connection) -> float:
    before = datetime.now(UTC)
    row = connection.execute(_statements["database_clock"]).fetchone()
    after = datetime.now(UTC)
    assert row is not None
    return float((row[0] - (before + (after - before) / 2)).total_seconds())
