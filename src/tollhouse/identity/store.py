"""Gateway keys and workspaces in PostgreSQL: made, listed, keys revoked.

Rules: what concerns keys runs inside `storage.postgres.tenant_transaction`, and binds the tenant as well; workspaces
are the operator's, who sees all of them, over the owner's connection. A row has the HMAC of a secret, never the secret.
Revoking appends a version, so that what held at any moment can be recomputed. Whether labels are declared ones is
`attribution.rules.declared_labels`' to say, before a key is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import dict_row

from tollhouse.identity.keys import NewKey, hmac_of
from tollhouse.identity.pepper import Peppers
from tollhouse.kernel.ids import KeyId, TenantId
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.storage.postgres import AsyncConnection, connect, load_statements, translated

NAME_CHARACTERS_MAX = 128
LIST_ROWS_MAX = 1000

_statements = load_statements("tollhouse.identity")


class KeyDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What is chosen about a key before it is made."""

    name: str
    fixed_labels: Mapping[str, str] = {}
    default_labels: Mapping[str, str] = {}
    providers: tuple[str, ...] = ()
    """Names it may use; empty means any."""
    expires_at: datetime | None = None
    """Aware UTC."""


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as people may see it."""

    key_id: KeyId
    name: str
    fixed_labels: Mapping[str, str]
    default_labels: Mapping[str, str]
    providers: tuple[str, ...]
    pepper_version: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class WorkspaceName(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant and what people call it."""

    tenant_id: TenantId
    name: str


async def create_key(
    connection: AsyncConnection, tenant_id: TenantId, draft: KeyDraft, key: NewKey, peppers: Peppers
) -> KeyRow | Refusal:
    """Stores a key that was just made, under the newest pepper. BAD_REQUEST for a name that cannot be one.

    StorageError if the database is away; RecordRejectedError if it refuses the row, as for an id that is there already.
    """
    if not 1 <= len(draft.name) <= NAME_CHARACTERS_MAX or not draft.name.isprintable():
        return Refusal(
            code=RefusalCode.BAD_REQUEST,
            message=f"A key's name has between 1 and {NAME_CHARACTERS_MAX} printable characters.",
        )
    values = {
        "tenant_id": tenant_id,
        "key_id": key.parsed.key_id,
        "name": draft.name,
        "secret_hmac": hmac_of(key.parsed.secret, peppers.by_version[peppers.newest]),
        "pepper_version": peppers.newest,
        "fixed_labels": msgspec.json.encode(draft.fixed_labels).decode(),
        "default_labels": msgspec.json.encode(draft.default_labels).decode(),
        "providers": list(draft.providers),
        "expires_at": draft.expires_at,
    }
    rows = await _fetch(connection, "create_key", values, "creating a gateway key")
    return rows[0]


async def list_keys(connection: AsyncConnection, tenant_id: TenantId) -> list[KeyRow]:
    """A tenant's keys, latest first, at most `LIST_ROWS_MAX`; StorageError if the database is away."""
    values = {"tenant_id": tenant_id, "rows_max": LIST_ROWS_MAX}
    return await _fetch(connection, "list_keys", values, "listing gateway keys")


async def revoke_key(connection: AsyncConnection, tenant_id: TenantId, key_id: KeyId) -> KeyRow | None:
    """Ends a key from this moment on. None if the tenant has no such key, or it was revoked before."""
    values = {"tenant_id": tenant_id, "key_id": key_id}
    rows = await _fetch(connection, "revoke_key", values, "revoking a gateway key")
    return rows[0] if rows else None


async def list_workspaces(owner_url: str) -> list[WorkspaceName]:
    """Every workspace, oldest first. StorageError if the database is away."""
    return await _fetch_workspaces(owner_url, "list_workspaces", {}, "listing workspaces")


async def create_workspace(owner_url: str, tenant_id: TenantId, name: str) -> WorkspaceName | None:
    """A new workspace under a fresh tenant id; None if there is one of that name."""
    values = {"tenant_id": tenant_id, "name": name}
    rows = await _fetch_workspaces(owner_url, "create_workspace", values, "creating a workspace")
    return rows[0] if rows else None


async def _fetch(connection: AsyncConnection, name: str, values: Mapping[str, Any], doing: str) -> list[KeyRow]:
    with translated(doing):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_statements[name], values)
            return [msgspec.convert(row, KeyRow) for row in await cursor.fetchall()]


async def _fetch_workspaces(owner_url: str, name: str, values: Mapping[str, Any], doing: str) -> list[WorkspaceName]:
    connection = await connect(owner_url)
    with translated(doing):
        async with connection:
            cursor = await connection.execute(_statements[name], values)
            return [WorkspaceName(tenant_id=TenantId(str(row[0])), name=row[1]) for row in await cursor.fetchall()]
