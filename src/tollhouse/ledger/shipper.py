"""The shipper: copies closed calls from this worker's journal into the database, in batches, in order.

Delivered at least once and settled idempotently, hence once. A batch that cannot be delivered stays in hand and is
tried again, for ever, with growing pauses; meanwhile the journal on disk is the queue. The cursor moves only
behind what was settled or set aside. Shipped segments stay for a while, as a second trace should the database lose
what it took; then they go, and calls still open in them are written again first.

Never decodes a row, never skips one, never lets go of a segment that holds the only trace of an open call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from tollhouse.kernel.errors import JournalError, StorageError
from tollhouse.ledger.cursor import BEGINNING, Position, Shipped, save_shipped
from tollhouse.ledger.delivery import Delivery
from tollhouse.ledger.journal import Journal
from tollhouse.ledger.ports import Notice, Settle, UnixMs, silent
from tollhouse.ledger.tail import Batch, Tail


class ShipperTuning(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and times of shipping."""

    rows_max: int = 500
    bytes_max: int = 1 << 20
    interval_s: float = 0.1
    """Pause when all is shipped; a call shows up after at most this and a settlement."""
    retry_first_s: float = 0.1
    retry_max_s: float = 2.0
    settle_timeout_s: float = 30.0
    retention_s: float = 900.0
    prune_interval_s: float = 1.0


class ClosedMoment(msgspec.Struct, frozen=True, kw_only=True):
    """When a row was closed, read off its bytes."""

    started_ms: int
    latency_ms: int = 0


def unix_ms() -> int:
    """Now, by the wall clock."""
    return time.time_ns() // 1_000_000


class Shipper:
    """Ships one live journal. `run` in a task of the worker; `drain` when it stops."""

    def __init__(
        self,
        journal: Journal,
        settle: Settle,
        *,
        random: Callable[[], float],
        tuning: ShipperTuning | None = None,
        now_ms: UnixMs = unix_ms,
        notice: Notice = silent,
    ) -> None:
        """`random` gives numbers in [0, 1) for the jitter of pauses."""
        self.tuning = tuning or ShipperTuning()
        self._journal, self._random, self._now_ms, self._notice = journal, random, now_ms, notice
        self._delivery = Delivery(journal.directory, settle, timeout_s=self.tuning.settle_timeout_s, notice=notice)
        self._tail = Tail(
            journal.directory,
            BEGINNING,
            rows_max=self.tuning.rows_max,
            bytes_max=self.tuning.bytes_max,
            notice=notice,
        )
        self._turn = asyncio.Lock()
        self._shipped = BEGINNING
        self._in_hand: Batch | None = None
        self._passed_ms: dict[int, int] = {}
        self._failures = 0
        self._prune_at_ms = 0
        self.shipped_total = 0
        """Rows settled or set aside."""
        self.settled_total = 0
        """Rows that were new to the database."""
        self.rejected_total = 0

    @property
    def healthy(self) -> bool:
        """False while the database does not take what it is given."""
        return self._failures == 0

    @property
    def unshipped_bytes(self) -> int:
        """Bytes of the journal that are not known to be settled."""
        sizes = self._journal.segment_sizes()
        after = sum(size for number, size in sizes.items() if number > self._shipped.segment)
        return after + max(0, sizes.get(self._shipped.segment, 0) - self._shipped.offset)

    @property
    def oldest_unshipped_s(self) -> float:
        """Seconds since the oldest row in hand was closed; 0 when nothing waits."""
        if self._in_hand is None or not self._in_hand.rows:
            return 0.0
        try:
            row = msgspec.json.decode(self._in_hand.rows[0], type=ClosedMoment)
        except msgspec.DecodeError:  # a row the database will reject; it has no moment
            return 0.0
        return max(0.0, (self._now_ms() - row.started_ms - row.latency_ms) / 1000)

    @property
    def caught_up(self) -> bool:
        """Whether everything written so far is settled and no closing waits for the disk."""
        return self._shipped >= self._end() and not self._journal.waiting_closings

    async def run(self) -> None:
        """Ship until cancelled. What was in hand then is shipped by `drain`, or by a recovery."""
        while True:
            pause = await self._ship_next()
            await asyncio.sleep(pause)

    async def drain(self, timeout_s: float) -> bool:
        """Ship all that is written; False if that was not done in time. Works beside or after `run`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.caught_up:
                    pause = await self._ship_next()
                    if not self.caught_up:
                        await asyncio.sleep(pause)
        except TimeoutError:
            return False
        return True

    async def _ship_next(self) -> float:
        """One batch, or one attempt at it; seconds to wait before the next."""
        async with self._turn:
            self._prune()
            try:
                if self._in_hand is None:
                    self._in_hand = await self._read()
                if self._in_hand is not None:
                    await self._deliver(self._in_hand)
            except (StorageError, OSError) as error:
                return self._pause(error)
            return self.tuning.interval_s if self._tail.position >= self._end() else 0.0

    async def _read(self) -> Batch | None:
        """What is new, if anything is: the writer's position in memory says so without a look at the disk."""
        end = self._end()
        if self._tail.position >= end and not self._tail.has_begun:
            return None
        if not self._tail.has_begun and (fresh := self._fresh()) is not None:
            return fresh
        batch = self._tail.read_block(end)
        while batch is None:
            await asyncio.sleep(0)  # calls go on between two blocks
            batch = self._tail.read_block(end)
        return batch

    def _fresh(self) -> Batch | None:
        """The next batch from the journal's memory, where that reaches back far enough."""
        position = self._tail.position
        found = self._journal.take_fresh(
            (position.segment, position.offset), rows_max=self.tuning.rows_max, bytes_max=self.tuning.bytes_max
        )
        if found is None:
            return None
        rows, (segment, offset) = found
        last = Position(segment=segment, offset=offset)
        self._tail.skip_to(last)
        return Batch(rows=rows, end=last)

    async def _deliver(self, batch: Batch) -> None:
        delivered = await self._delivery.send(batch.rows)
        self._in_hand = None
        self._failures = 0
        self.shipped_total += len(batch.rows)
        self.settled_total += delivered.new
        self.rejected_total += delivered.rejected
        self._move(batch.end, save=bool(batch.rows))

    def _move(self, place: Position, *, save: bool) -> None:
        now = self._now_ms()
        for number in range(max(1, self._shipped.segment), place.segment):
            self._passed_ms.setdefault(number, now)
        self._shipped = place
        if not save:
            return
        try:
            save_shipped(self._journal.directory, Shipped(position=place, rows=self.shipped_total, at_ms=now))
        except OSError as error:  # the rows are settled; at worst they are shipped once more
            self._notice("shipper.cursor_unwritable", reason=error.strerror or "unknown")

    def _pause(self, error: Exception) -> float:
        exponent = min(self._failures, 16)
        self._failures += 1
        longest = min(self.tuning.retry_max_s, self.tuning.retry_first_s * (1 << exponent))
        self._notice("shipper.retry", attempt=self._failures, reason=str(error))
        return longest * (0.5 + 0.5 * self._random())

    def _prune(self) -> None:
        """Remove segments whose time has come, oldest first and without gaps; sooner if the journal nears its bound."""
        now = self._now_ms()
        if now < self._prune_at_ms:
            return
        self._prune_at_ms = now + round(self.tuning.prune_interval_s * 1000)
        for number in self._journal.segment_sizes():
            if number >= self._shipped.segment:
                return
            young = now - self._passed_ms.get(number, now) < self.tuning.retention_s * 1000
            if young and self._journal.total_bytes * 2 <= self._journal.tuning.journal_bytes_max:
                return
            try:
                self._journal.carry(number)
                self._journal.remove_segment(number)
            except JournalError as error:
                self._notice("shipper.prune_failed", segment=number, reason=str(error))
                return
            self._passed_ms.pop(number, None)
            if young:
                self._notice("shipper.retention_cut", segment=number)

    def _end(self) -> Position:
        number, offset = self._journal.position
        return Position(segment=number, offset=offset)
