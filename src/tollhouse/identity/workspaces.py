"""Workspaces in PostgreSQL, as the operator sees them: all of them, over the owner's connection.

The application sees one tenant at a time; only the operator's commands and the supervisor come through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tollhouse.kernel.ids import TenantId
from tollhouse.storage.postgres import connect, load_statements, translated

_statements = load_statements("tollhouse.identity")


class WorkspaceName(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant and what people call it."""

    tenant_id: TenantId
    name: str


async def list_workspaces(owner_url: str) -> list[WorkspaceName]:
    """Every workspace, oldest first. StorageError if the database is away."""
    return await _fetch(owner_url, "list_workspaces", {}, "listing workspaces")


async def create_workspace(owner_url: str, tenant_id: TenantId, name: str) -> WorkspaceName | None:
    """A new workspace under a fresh tenant id; None if there is one of that name."""
    rows = await _fetch(owner_url, "create_workspace", {"tenant_id": tenant_id, "name": name}, "creating a workspace")
    return rows[0] if rows else None


async def _fetch(owner_url: str, name: str, values: Mapping[str, Any], doing: str) -> list[WorkspaceName]:
    connection = await connect(owner_url)
    with translated(doing):
        async with connection:
            cursor = await connection.execute(_statements[name], values)
            return [WorkspaceName(tenant_id=TenantId(str(row[0])), name=row[1]) for row in await cursor.fetchall()]
