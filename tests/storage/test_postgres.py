"""Connections, tenants, named statements: what a transaction may see, and what an error may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId
from tollhouse.kernel.secret import Secret
from tollhouse.storage.postgres import (
    DatabaseUrls,
    RecordRejectedError,
    connect,
    database_urls,
    load_statements,
    login_role,
    make_pool,
    single_tenant_transaction,
    tenant_transaction,
    translated,
)

pytestmark = pytest.mark.anyio

OTHER_TENANT = TenantId("00000000-0000-7000-8000-0000000000ff")
KEY = (
    "INSERT INTO th.gateway_keys (tenant_id, key_id, name, secret_hmac, pepper_version, providers)"
    " VALUES (%s, %s, 'a key', %s, 1, '{openai}')"
)


def add_tenant(database: DatabaseUrls, tenant: TenantId) -> None:
    with psycopg.connect(database.owner) as connection:
        connection.execute("INSERT INTO th.tenants (tenant_id) VALUES (%s)", (tenant,))
        connection.execute("INSERT INTO th.workspaces (tenant_id, name) VALUES (%s, 'other')", (tenant,))


def test_urls_differ_in_role_and_password_only() -> None:
    """The logins are named after the database, and their passwords follow from the secret."""
    urls = database_urls("postgresql://boss:pw@db.example:6543/ledger?sslmode=verify-full", Secret(b"s" * 32))
    app = psycopg.conninfo.conninfo_to_dict(urls.app)
    assert (app["user"], app["host"], app["dbname"], app["sslmode"]) == (
        "th_app_ledger",
        "db.example",
        "ledger",
        "verify-full",
    )
    gateway = psycopg.conninfo.conninfo_to_dict(urls.gateway)
    assert app["password"] != gateway["password"]
    assert repr(urls) == "DatabaseUrls(…)"


@pytest.mark.parametrize("url", ["postgresql://", "postgres//nonsense", "host=x colour=red"])
def test_a_url_that_cannot_serve_is_named(url: str) -> None:
    """Before anything connects."""
    with pytest.raises(StorageError, match="DATABASE_URL"):
        database_urls(url, Secret(b"s" * 32))


def test_a_role_fits_however_long_the_database_is_called() -> None:
    """PostgreSQL cuts names at 63 bytes without a word, so that two could become one."""
    names = {login_role("gateway", "d" * 62 + end) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_statements_are_checked_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that binds no tenant must say that this is meant."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "statements_under_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "queries.sql").write_text("-- name: one\n-- Why.\nSELECT 1 WHERE tenant_id = %(tenant_id)s;\n")
    assert load_statements("statements_under_test") == {"one": b"-- Why.\nSELECT 1 WHERE tenant_id = %(tenant_id)s"}
    (package / "queries.sql").write_text("-- name: one\n-- Why.\nSELECT 1\n")
    with pytest.raises(AssertionError, match="one binds no tenant"):
        load_statements("statements_under_test")


async def test_a_transaction_sees_its_tenant_alone(database: DatabaseUrls) -> None:
    """Rows of another can be neither read, planted nor taken over; the next transaction starts without a tenant."""
    add_tenant(database, OTHER_TENANT)
    async with make_pool(database.app, connections_max=1) as pool:
        async with tenant_transaction(pool, OTHER_TENANT) as connection:
            await connection.execute(KEY, (OTHER_TENANT, "A" * 12, b"h" * 32))
        async with tenant_transaction(pool, DEFAULT_TENANT) as connection:
            rows = await (await connection.execute("SELECT name FROM th.workspaces")).fetchall()
            assert rows == [("default",)]
            taken = await connection.execute(
                "UPDATE th.gateway_keys SET name = 'mine' WHERE tenant_id = %s", (OTHER_TENANT,)
            )
            assert taken.rowcount == 0
        with pytest.raises(StorageError, match="42501"):
            async with tenant_transaction(pool, DEFAULT_TENANT) as connection:
                await connection.execute(KEY, (OTHER_TENANT, "B" * 12, b"h" * 32))
        async with pool.connection() as connection:
            assert await (await connection.execute("SELECT tenant_id FROM th.tenants")).fetchall() == []


async def test_an_exception_undoes_the_transaction(database: DatabaseUrls) -> None:
    """It passes through unchanged, and nothing is kept."""
    with pytest.raises(ZeroDivisionError):
        async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
            await connection.execute(KEY, (DEFAULT_TENANT, "A" * 12, b"h" * 32))
            raise ZeroDivisionError
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        found = await connection.execute("SELECT count(*) FROM th.gateway_keys")
        assert await found.fetchone() == (0,)


async def test_the_gateway_has_functions_and_no_tables(database: DatabaseUrls) -> None:
    """Whatever runs in a gateway worker cannot read a single row by itself."""
    async with await connect(database.gateway, autocommit=True) as connection:
        with psycopg.connect(database.owner) as owner:
            tables = owner.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'th'::regnamespace AND relkind IN ('r', 'p')"
            )
            names = [row[0] for row in tables]
        assert "calls" in names
        for name in names:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(psycopg.sql.SQL("SELECT 1 FROM th.{}").format(psycopg.sql.Identifier(name)))


async def load_snapshot(database: DatabaseUrls, since: int) -> dict[str, Any] | None:
    async with await connect(database.gateway, autocommit=True) as connection:
        row = await (await connection.execute("SELECT th.load_snapshot(%s)", (since,))).fetchone()
    assert row is not None
    return None if row[0] is None else msgspec.json.decode(row[0])


async def test_the_snapshot_changes_with_the_configuration(database: DatabaseUrls) -> None:
    """Its version goes up and is told; unchanged it is NULL; its keys decode as grants, without the revoked ones."""
    first = await load_snapshot(database, 0)
    assert first is not None
    assert [workspace["name"] for workspace in first["workspaces"]] == ["default"]
    assert await load_snapshot(database, first["version"]) is None
    async with await connect(database.gateway, autocommit=True) as listener:
        await listener.execute("LISTEN tollhouse_configuration")
        async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
            await connection.execute(KEY, (DEFAULT_TENANT, "A" * 12, bytes(range(200, 232))))
            await connection.execute(KEY, (DEFAULT_TENANT, "B" * 12, b"h" * 32))
            await connection.execute("UPDATE th.gateway_keys SET expires_at = now() WHERE key_id = %s", ("A" * 12,))
            await connection.execute("UPDATE th.gateway_keys SET revoked_at = now() WHERE key_id = %s", ("B" * 12,))
        heard = [int(notice.payload) async for notice in listener.notifies(timeout=2, stop_after=4)]
    second = await load_snapshot(database, first["version"])
    assert second is not None
    assert max(heard) == second["version"] > first["version"]
    (grant,) = msgspec.convert(second["keys"], list[KeyGrant])
    assert (grant.key_id, grant.secret_hmac, grant.providers) == ("A" * 12, bytes(range(200, 232)), ("openai",))
    assert grant.valid_to is not None


def test_errors_say_what_failed_and_quote_nothing() -> None:
    """The state's code is enough to look it up; a message could hold a value."""
    with pytest.raises(RecordRejectedError) as refused, translated("writing a key"):
        raise psycopg.errors.UniqueViolation("Key (name)=(secret) already exists.")
    assert str(refused.value) == "writing a key: refused by the database (SQLSTATE 23505)"
    with pytest.raises(StorageError, match="the database cannot be reached"), translated("reading"):
        raise psycopg.OperationalError("connection refused")


async def test_a_database_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    """At once, with the driver's words."""
    with pytest.raises(StorageError, match="connecting to the database"):
        await connect(f"host={tmp_path} dbname=x user=y")
