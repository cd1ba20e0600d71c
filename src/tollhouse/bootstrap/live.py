"""The live view of `tollhouse up`: a line for every call as it enters the ledger."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from tollhouse.identity.workspaces import list_workspaces
from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.ids import CallId, TenantId
from tollhouse.ledger.line import call_line
from tollhouse.ledger.store import TAIL_OVERLAP, CallRow, tail_calls
from tollhouse.storage.postgres import DatabaseUrls, make_pool, tenant_transaction

POLL_S = 0.3
WORKSPACES_EVERY = 20
SEEN_MAX = 2000


class Follower:
    """Reads what is new of every workspace; remembers what it has shown."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self._urls = urls
        self._pool = make_pool(urls.app, connections_max=1)
        self._since: dict[TenantId, datetime] = {}
        self._seen: deque[CallId] = deque(maxlen=SEEN_MAX)
        self._began = datetime.now(UTC)
        self._turns = 0

    async def follow(self, say: Callable[[str], None]) -> None:
        """Says a line a call until cancelled; an absent database is waited for."""
        async with self._pool:
            while True:
                try:
                    for row in await self._new_calls():
                        say(call_line(row))
                except StorageError:
                    # The workers say so in their log and metrics; here, calls simply appear later.
                    await asyncio.sleep(1.0)
                await asyncio.sleep(POLL_S)

    async def _new_calls(self) -> list[CallRow]:
        if self._turns % WORKSPACES_EVERY == 0:
            for workspace in await list_workspaces(self._urls.owner):
                self._since.setdefault(workspace.tenant_id, self._began)
        self._turns += 1
        found: list[CallRow] = []
        for tenant, since in self._since.items():
            async with tenant_transaction(self._pool, tenant) as connection:
                rows = await tail_calls(connection, tenant, since - TAIL_OVERLAP, seen=self._seen)
            if rows:
                self._since[tenant] = max(since, rows[-1].recorded_at)
                found += rows
        found.sort(key=lambda row: row.recorded_at)
        self._seen.extend(row.call_id for row in found)
        return found


async def follow_calls(urls: DatabaseUrls, say: Callable[[str], None]) -> None:
    """Follows the ledger from now on, until cancelled."""
    await Follower(urls).follow(say)
