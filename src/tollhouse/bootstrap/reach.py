"""Reach: the workspaces that an operator's command covers, read one after the other and merged.

Every read runs as the application inside one tenant's transaction: row security holds for the operator's commands as
it does for everybody; only the list of workspaces comes over the owner's connection.
Never changes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from tollhouse.identity.store import WorkspaceName, list_workspaces
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.kernel.ids import CallId, TenantId
from tollhouse.ledger.store import (
    PAGE_ROWS_MAX,
    SPEND_LABELS,
    TAIL_OVERLAP,
    CallFilter,
    CallRow,
    SpendRow,
    get_call,
    list_calls,
    sum_spend,
    tail_calls,
)
from tollhouse.storage.postgres import AsyncConnection, DatabaseUrls, Pool, make_pool, tenant_transaction

FOLLOW_EVERY_S = 0.3
WORKSPACES_EVERY = 20
"""Polls between two looks for new workspaces."""
_SUMS = tuple(name for name in SpendRow.__struct_fields__ if name not in SPEND_LABELS)


class _Progress:
    """How far one workspace was followed.

    A batch commits some moments after its rows were stamped, so each poll looks back a little, and what was seen there
    is remembered.
    """

    def __init__(self, since: datetime) -> None:
        self._since = self._newest = since
        self.seen: dict[CallId, datetime] = {}

    @property
    def begin(self) -> datetime:
        """From where to read."""
        return max(self._since, self._newest - TAIL_OVERLAP)

    def skip(self, now: datetime) -> None:
        """Passes over what has come until now."""
        self._since = self._newest = now
        self.seen.clear()

    def take(self, rows: Collection[CallRow]) -> None:
        """Rows that were read; lets go of those that no poll will look back to."""
        self.seen.update((row.call_id, row.recorded_at) for row in rows)
        self._newest = max([self._newest, *(row.recorded_at for row in rows)])
        begin = self.begin
        self.seen = {call_id: at for call_id, at in self.seen.items() if at >= begin}


class Reach:
    """Some or all workspaces of one database. Made by `open_reach`."""

    def __init__(
        self, urls: DatabaseUrls, pool: Pool, chosen: str | None, workspaces: Collection[WorkspaceName]
    ) -> None:
        self._urls, self._pool, self._chosen = urls, pool, chosen
        self.names: Mapping[TenantId, str] = {workspace.tenant_id: workspace.name for workspace in workspaces}

    @asynccontextmanager
    async def inside(self, tenant: TenantId) -> AsyncIterator[AsyncConnection]:
        """A transaction of one tenant."""
        async with tenant_transaction(self._pool, tenant) as connection:
            yield connection

    async def newest(self, where: CallFilter, limit: int) -> list[CallRow]:
        """Calls over all its workspaces, newest first, at most `limit`."""
        found: list[CallRow] = []
        for tenant in self.names:
            found += await self._newest_of(tenant, where, limit)
        found.sort(key=lambda row: (row.started_at, row.call_id), reverse=True)
        return found[:limit]

    async def find(self, call_id: CallId) -> CallRow | None:
        """One call by its id, or None."""
        for tenant in self.names:
            async with self.inside(tenant) as connection:
                row = await get_call(connection, tenant, call_id)
            if row is not None:
                return row
        return None

    async def spend(self, by: Collection[str], since: datetime, until: datetime) -> list[SpendRow]:
        """Spend by labels, dearest first. ValueError for a label that spend is not kept by."""
        found: list[SpendRow] = []
        for tenant in self.names:
            async with self.inside(tenant) as connection:
                found += await sum_spend(connection, tenant, by, since, until)
        return merge_spend(found)

    async def follow(
        self, since: datetime, *, patient: bool = False, at_most: int | None = None
    ) -> AsyncIterator[CallRow]:
        """Calls as the database takes them, from a moment on, without an end, each once.

        StorageError if the database goes away; with `patient`, it is waited for instead. With `at_most`, of a flood
        only so many are given at each look and the rest is passed over: nobody reads thousands of lines a second.
        """
        followed: dict[TenantId, _Progress] = {}
        polls = 0
        while True:
            try:
                for tenant in self.names:
                    for row in await self._new_of(tenant, followed.setdefault(tenant, _Progress(since)), at_most):
                        yield row
                polls += 1
                if polls % WORKSPACES_EVERY == 0:
                    self.names = await _names(self._urls, self._chosen)
            except StorageError:
                if not patient:
                    raise
            await asyncio.sleep(FOLLOW_EVERY_S)

    async def _new_of(self, tenant: TenantId, progress: _Progress, at_most: int | None) -> list[CallRow]:
        limit = at_most or PAGE_ROWS_MAX
        async with self.inside(tenant) as connection:
            rows = await tail_calls(connection, tenant, progress.begin, seen=progress.seen, limit=limit)
        progress.take(rows)
        if at_most is not None and len(rows) == at_most:
            progress.skip(datetime.now(UTC))
        return rows

    async def _newest_of(self, tenant: TenantId, where: CallFilter, limit: int) -> list[CallRow]:
        """Page by page, each in a transaction of its own."""
        found: list[CallRow] = []
        while len(found) < limit:
            wanted = min(PAGE_ROWS_MAX, limit - len(found))
            before = found[-1].call_id if found else None
            async with self.inside(tenant) as connection:
                page = await list_calls(connection, tenant, where, before=before, limit=wanted)
            found += page
            if len(page) < wanted:
                break
        return found


@asynccontextmanager
async def open_reach(urls: DatabaseUrls, workspace: str | None) -> AsyncIterator[Reach]:
    """The workspace of that name or id, or all. ConfigError if there is none; StorageError if the database is away."""
    names = await _names(urls, workspace)
    async with make_pool(urls.app, connections_max=1) as pool:
        yield Reach(urls, pool, workspace, [WorkspaceName(tenant_id=key, name=name) for key, name in names.items()])


def merge_spend(rows: Iterable[SpendRow]) -> list[SpendRow]:
    """Rows of equal labels become one with their sums, dearest first."""
    merged: dict[tuple[str | None, ...], SpendRow] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in SPEND_LABELS)
        known = merged.get(key)
        merged[key] = row if known is None else _added(known, row)
    return sorted(merged.values(), key=lambda row: (-row.cost_nano_usd, -row.calls))


def _added(one: SpendRow, other: SpendRow) -> SpendRow:
    return msgspec.structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in _SUMS})


async def _names(urls: DatabaseUrls, chosen: str | None) -> dict[TenantId, str]:
    known = {workspace.tenant_id: workspace.name for workspace in await list_workspaces(urls.owner)}
    found = {key: name for key, name in known.items() if chosen is None or chosen in (name, key)}
    if not found:
        raise ConfigError(f"there is no workspace '{chosen}': 'tollhouse workspaces list' shows those there are")
    return found
