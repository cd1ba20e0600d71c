"""Gateway keys in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tollhouse.identity.keys import NewKey, make_key
from tollhouse.identity.pepper import Peppers, load_peppers
from tollhouse.identity.store import (
    KeyDraft,
    KeyRow,
    WorkspaceName,
    create_key,
    create_workspace,
    list_keys,
    list_workspaces,
    revoke_key,
)
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId, TenantId
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.storage.postgres import DatabaseUrls, RecordRejectedError, single_tenant_transaction

pytestmark = pytest.mark.anyio

OTHER_TENANT = TenantId("00000000-0000-7000-8000-0000000000ff")
DRAFT = KeyDraft(
    name="ci",
    fixed_labels={"team": "ml"},
    default_labels={"app": "bot"},
    providers=("openai",),
    expires_at=datetime(2030, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def peppers(tmp_path: Path) -> Peppers:
    return load_peppers(tmp_path)


async def created(urls: DatabaseUrls, key: NewKey, peppers: Peppers) -> KeyRow:
    async with single_tenant_transaction(urls.app, DEFAULT_TENANT) as connection:
        row = await create_key(connection, DEFAULT_TENANT, DRAFT, key, peppers)
    assert isinstance(row, KeyRow)
    return row


async def test_created_key_is_listed_without_its_secret(
    database: DatabaseUrls, new_key: NewKey, peppers: Peppers
) -> None:
    """What was chosen comes back; the database has the HMAC and nothing of the secret."""
    row = await created(database, new_key, peppers)
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        assert await list_keys(connection, DEFAULT_TENANT) == [row]
    assert (row.name, row.fixed_labels, row.default_labels) == ("ci", {"team": "ml"}, {"app": "bot"})
    assert (row.providers, row.expires_at, row.revoked_at) == (("openai",), DRAFT.expires_at, None)
    with psycopg.connect(database.app) as connection:
        connection.execute("SELECT set_config('tollhouse.tenant', %s, true)", (DEFAULT_TENANT,))
        stored = connection.execute("SELECT k::text, k.secret_hmac FROM th.gateway_keys k").fetchone()
    assert stored is not None
    assert new_key.parsed.secret.reveal().decode() not in stored[0]
    assert stored[1] == peppers.by_version[1].hmac(new_key.parsed.secret.reveal())


async def test_revoking_appends_a_version(database: DatabaseUrls, new_key: NewKey, peppers: Peppers) -> None:
    """The row that was true before stays, closed at the moment at which the new one begins; twice changes nothing."""
    await created(database, new_key, peppers)
    key_id = new_key.parsed.key_id
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        revoked = await revoke_key(connection, DEFAULT_TENANT, key_id)
        again = await revoke_key(connection, DEFAULT_TENANT, key_id)
        listed = await list_keys(connection, DEFAULT_TENANT)
        cursor = await connection.execute("SELECT valid_to, revoked_at FROM th.gateway_keys ORDER BY valid_from")
        versions = await cursor.fetchall()
    assert revoked is not None
    assert revoked.revoked_at is not None
    assert (again, listed) == (None, [revoked])
    assert versions == [(revoked.revoked_at, None), (None, revoked.revoked_at)]


async def test_other_tenant_sees_and_revokes_nothing(database: DatabaseUrls, new_key: NewKey, peppers: Peppers) -> None:
    """Another tenant's key answers as one that does not exist."""
    await created(database, new_key, peppers)
    async with single_tenant_transaction(database.app, OTHER_TENANT) as connection:
        assert await list_keys(connection, OTHER_TENANT) == []
        assert await revoke_key(connection, OTHER_TENANT, new_key.parsed.key_id) is None
        assert await revoke_key(connection, DEFAULT_TENANT, new_key.parsed.key_id) is None
        assert await revoke_key(connection, OTHER_TENANT, KeyId("0" * 12)) is None


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb"])
async def test_name_that_cannot_be_one_is_refused(database: DatabaseUrls, peppers: Peppers, name: str) -> None:
    """Before the database is asked."""
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        verdict = await create_key(connection, DEFAULT_TENANT, KeyDraft(name=name), make_key(bytes(48)), peppers)
    assert isinstance(verdict, Refusal)
    assert verdict.code is RefusalCode.BAD_REQUEST


async def test_same_id_twice_is_rejected(database: DatabaseUrls, new_key: NewKey, peppers: Peppers) -> None:
    """Within a tenant an id is given once."""
    await created(database, new_key, peppers)
    with pytest.raises(RecordRejectedError, match="creating a gateway key"):
        await created(database, new_key, peppers)


async def test_workspaces_are_listed_in_the_order_of_their_making(database: DatabaseUrls) -> None:
    """For the operator, who sees all of them; a name is given once."""
    made = await create_workspace(database.owner, OTHER_TENANT, "other")
    assert made == WorkspaceName(tenant_id=OTHER_TENANT, name="other")
    assert await create_workspace(database.owner, TenantId("00000000-0000-7000-8000-0000000000fe"), "other") is None
    listed = await list_workspaces(database.owner)
    assert [workspace.tenant_id for workspace in listed] == [DEFAULT_TENANT, OTHER_TENANT]
