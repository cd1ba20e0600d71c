"""PostgreSQL as the rooms use it: who connects as whom, named statements, the tenant of a transaction, errors.

Rules: the application and the gateway connect as login roles of this database alone, whose passwords derive from the
database secret; the owner connects for migrations and operator commands. Every named statement binds tenant_id or is
marked `-- scope: operator`. Foreign exceptions become StorageError here and nowhere else.
Never: builds SQL from strings; puts a statement's parameters into an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from types import MappingProxyType
from typing import TypeAlias

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.kernel.ids import TenantId
from tollhouse.kernel.secret import Secret
from tollhouse.storage.secret_file import role_password

AsyncConnection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Connection: TypeAlias = psycopg.Connection[TupleRow]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection]
Statements: TypeAlias = Mapping[str, bytes]

CONNECT_TIMEOUT_S = 10
SET_TENANT = b"SELECT set_config('tollhouse.tenant', %s, true)"
NAME_LINE = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)
OPERATOR_SCOPE = "-- scope: operator"


class DatabaseUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Connection strings of one database, by role. They hold passwords: never logged, and `repr` shows none."""

    owner: str
    app: str
    gateway: str

    def __repr__(self) -> str:
        return "DatabaseUrls(…)"


class RecordRejectedError(BatchRejectedError):
    """The database is well, but refuses a record for what it holds: sending it again is of no use."""


def database_urls(owner_url: str, secret: Secret) -> DatabaseUrls:
    """All connection strings from the owner's URL or DSN; StorageError if it cannot be read."""
    try:
        parts = conninfo_to_dict(owner_url)
    except psycopg.ProgrammingError as error:
        raise StorageError("DATABASE_URL is not a PostgreSQL connection string") from error
    database = str(parts.get("dbname") or parts.get("user") or "")
    if not database:
        raise StorageError("DATABASE_URL must name a database")

    def url(role: str) -> str:
        return make_conninfo(owner_url, dbname=database, user=role, password=role_password(secret, role))

    return DatabaseUrls(
        owner=make_conninfo(owner_url, dbname=database),
        app=url(login_role("app", database)),
        gateway=url(login_role("gateway", database)),
    )


def login_role(job: str, database: str) -> str:
    """The name of a database's own login role: databases of one cluster share the group roles, not the logins."""
    name = f"th_{job}_{database}"
    if len(name.encode()) <= 63:
        return name
    return f"th_{job}_{hashlib.sha256(database.encode()).hexdigest()[:40]}"


def load_statements(package: str, file: str = "queries.sql") -> Statements:
    """The named statements of a file beside a package's modules; an assertion fails where one breaks the rules."""
    text = files(package).joinpath(file).read_text("utf-8")
    pieces = NAME_LINE.split(text)
    statements: dict[str, bytes] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        assert name not in statements, f"{package}: statement {name} is there twice"
        assert "tenant_id" in body or OPERATOR_SCOPE in body, f"{package}: statement {name} binds no tenant_id"
        statements[name] = body.strip().removesuffix(";").encode()
    return MappingProxyType(statements)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns the driver's exceptions into StorageError: `doing` says what could not be done, the code says why."""
    try:
        yield
    except (psycopg.errors.DataError, psycopg.errors.IntegrityError) as error:
        raise RecordRejectedError(f"{doing}: refused by the database (SQLSTATE {error.sqlstate})") from error
    except PoolTimeout as error:
        raise StorageError(f"{doing}: no database connection is free") from error
    except psycopg.OperationalError as error:
        raise StorageError(f"{doing}: the database cannot be reached or gave up ({_reason(error)})") from error
    except psycopg.Error as error:
        if error.sqlstate is not None and error.sqlstate.startswith("TH"):
            raise RecordRejectedError(f"{doing}: refused by the database (SQLSTATE {error.sqlstate})") from error
        raise StorageError(f"{doing}: {_reason(error)}") from error


async def connect(url: str, *, autocommit: bool = False) -> AsyncConnection:
    """One connection; StorageError if the database cannot be reached."""
    with translated("connecting to the database"):
        return await psycopg.AsyncConnection.connect(url, autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_S)


def make_pool(url: str, *, connections_max: int = 8) -> Pool:
    """A pool that is not yet open: `async with make_pool(urls.app) as pool`."""
    return AsyncConnectionPool(url, min_size=1, max_size=connections_max, open=False, timeout=CONNECT_TIMEOUT_S)


@asynccontextmanager
async def tenant_transaction(pool: Pool, tenant_id: TenantId) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees one tenant's rows; commits at the end, rolls back on any exception."""
    with translated("a transaction"):
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(SET_TENANT, (tenant_id,))
            yield connection


@asynccontextmanager
async def single_tenant_transaction(url: str, tenant_id: TenantId) -> AsyncIterator[AsyncConnection]:
    """The same over a connection of its own, for a command that runs once."""
    connection = await connect(url)
    with translated("a transaction"):
        async with connection, connection.transaction():
            await connection.execute(SET_TENANT, (tenant_id,))
            yield connection


def _reason(error: psycopg.Error) -> str:
    """Never the server's message of a failed statement, which may quote a row; the driver's own when connecting."""
    if error.sqlstate is not None:
        return f"SQLSTATE {error.sqlstate}"
    first = str(error).strip().splitlines()
    return first[0] if first else type(error).__name__
