"""Keeps a worker's snapshot up to date: listens for changes on a connection of its own, and asks twice a second anyway.

A change is in force within the poll's interval and one read, also where a pooler swallows the notification. While the
database is away the last good snapshot stays, with the age that `snapshot.rules.fresh_enough` judges; configuration
that cannot be read counts as an absent database. Never blocks a call, never serves half of a change.
"""

from __future__ import annotations

import asyncio

import msgspec

from tollhouse.identity.pepper import load_peppers
from tollhouse.kernel.errors import StorageError
from tollhouse.pricing.book_file import load_package_book
from tollhouse.settings import Settings
from tollhouse.snapshot.build import Ground, build, confirmed, read_rows
from tollhouse.snapshot.model import Snapshot
from tollhouse.snapshot.providers import built_in_providers, configured_providers
from tollhouse.storage.postgres import AsyncConnection, connect, load_statements, translated
from tollhouse.telemetry.log import log
from tollhouse.vault.settings_source import SettingsSource

POLL_S = 0.4
GATHER_S = 0.02
"""After a notification: changes come in bursts, and one read serves them all."""
READ_TIMEOUT_S = 5.0
BACK_OFF_FIRST_S = 0.05
BACK_OFF_MAX_S = 0.5
UNKNOWN_VERSION = -1

_statements = load_statements("tollhouse.snapshot")


def ground_of(settings: Settings) -> Ground:
    """What a process's snapshots are built on: the file's providers with their keys, and the price book.

    ConfigError if a provider's table, a key or a pepper cannot be used.
    """
    peppers = load_peppers(settings.data_dir, settings.pepper)
    return Ground(
        built_in=built_in_providers(),
        configured=configured_providers(settings.providers),
        credentials=SettingsSource(settings.providers, settings.credentials, peppers.fingerprint_key),
        book=load_package_book(),
    )


class Refresher:
    """The holder of the current snapshot. `start`, then `run` as a task for life, then `stop`."""

    def __init__(self, dsn: str, settings: Settings) -> None:
        """`dsn` is of the gateway's role. ConfigError as `ground_of`."""
        self._dsn = dsn
        self._ground = ground_of(settings)
        self._connection: AsyncConnection | None = None
        self._current: Snapshot | None = None
        self._stale = False

    @property
    def current(self) -> Snapshot:
        """The last good snapshot; there is one as soon as `start` has returned."""
        assert self._current is not None, "start() loads the first snapshot"
        return self._current

    async def start(self) -> None:
        """Loads the first snapshot; StorageError if the database cannot give one."""
        try:
            await self._refresh()
        except StorageError:
            await self._drop()
            raise

    async def run(self) -> None:
        """Refreshes until cancelled, through any absence of the database."""
        back_off_s = BACK_OFF_FIRST_S
        while True:
            try:
                await self._await_change()
                await self._refresh()
                back_off_s = BACK_OFF_FIRST_S
                self._tell(stale=False)
            except StorageError as error:
                self._tell(stale=True, reason=str(error))
                await self._drop()
                await asyncio.sleep(back_off_s)
                back_off_s = min(BACK_OFF_MAX_S, back_off_s * 2)

    async def stop(self) -> None:
        """Closes the connection; `run` has been cancelled before."""
        await self._drop()

    async def _await_change(self) -> None:
        """Returns upon a notification, or when it is time to ask anyway; at once where there is no connection."""
        connection = self._connection
        if connection is None:
            return
        with translated("listening for configuration changes"):
            async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                await asyncio.sleep(GATHER_S)

    async def _refresh(self) -> None:
        # Asked for before the read: a snapshot is never newer than it says.
        asked_s = asyncio.get_running_loop().time()
        text = await self._read(UNKNOWN_VERSION if self._current is None else self._current.version)
        if text is None:
            self._current = confirmed(self.current, asked_s)
            return
        try:
            built = build(read_rows(text), self._ground, asked_s)
        except msgspec.MsgspecError as error:
            raise StorageError(
                "the configuration in the database has a shape that this version does not know"
            ) from error
        self._current = built.snapshot
        for key_id in built.duplicates:
            log("snapshot.duplicate_key", "error", key_id=key_id)

    async def _read(self, since: int) -> str | None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                connection = await self._connected()
                with translated("reading the configuration"):
                    cursor = await connection.execute(_statements["load_snapshot"], {"since": since})
                    row = await cursor.fetchone()
        except TimeoutError as error:
            raise StorageError("reading the configuration: no answer in time") from error
        assert row is not None, "a function without a set returns one row"
        return str(row[0]) if row[0] is not None else None

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            connection = await connect(self._dsn, autocommit=True)
            self._connection = connection
            # Before the first read, so that no change falls between the two.
            with translated("listening for configuration changes"):
                await connection.execute(_statements["listen"])
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _tell(self, *, stale: bool, reason: str = "") -> None:
        """Once per change, not once per poll."""
        if stale != self._stale:
            self._stale = stale
            if stale:
                log("snapshot.stale", "warning", reason=reason)
            else:
                log("snapshot.fresh")
