"""LedgerGate: the one connection by which a worker's calls enter the ledger.

Reconnects by itself on the next use; whoever uses it is told of a failure and tries again in its own time.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.ledger.store import ensure_partitions, settle_batch
from tollhouse.storage.postgres import AsyncConnection, RecordRejectedError, connect

PARTITIONS_AHEAD = timedelta(days=92)


class LedgerGate:
    """Serialises its users: one transaction at a time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: AsyncConnection | None = None
        self._turn = asyncio.Lock()

    async def settle(self, payload: bytes) -> int:
        """See `ledger.ports.Settle`."""
        async with self._turn:
            connection = await self._connected()
            try:
                return await settle_batch(connection, payload)
            except RecordRejectedError as error:
                raise BatchRejectedError(str(error)) from error
            except (StorageError, asyncio.CancelledError):
                # A cancelled statement leaves the connection in a state that nobody knows.
                await self._drop()
                raise

    async def ensure_partitions(self) -> None:
        """Time partitions for the months ahead. StorageError if the database is away."""
        async with self._turn:
            connection = await self._connected()
            try:
                now = datetime.now(UTC)
                await ensure_partitions(connection, now, now + PARTITIONS_AHEAD)
            except (StorageError, asyncio.CancelledError):
                # A cancelled statement leaves the connection in a state that nobody knows.
                await self._drop()
                raise

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        async with self._turn:
            await self._drop()

    async def _connected(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._dsn, autocommit=True)
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
