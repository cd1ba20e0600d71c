"""Recovery: settles what dead workers left, ships what they had not shipped, and clears their journals away.

A journal whose lock is free has no worker. Whoever takes the lock closes its lost calls in the journal itself,
ships on from its cursor, and removes the directory when all is settled and its time has passed.
Each step may be repeated: by the next recovery after a crash, or later when the database was away. The composition
root calls `recover` at start and from time to time; each host sees to its own data directory.

Never touches a journal whose lock another process holds; never removes one that is not settled in full.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import JournalError, StorageError
from tollhouse.ledger import segments
from tollhouse.ledger.cursor import NOTHING_SHIPPED, Shipped, load_shipped, save_shipped
from tollhouse.ledger.delivery import Delivery
from tollhouse.ledger.lost_calls import Strictness, close_lost_calls
from tollhouse.ledger.ports import Notice, Settle, UnixMs, silent
from tollhouse.ledger.rules import counts_strictly
from tollhouse.ledger.shipper import unix_ms
from tollhouse.ledger.tail import Tail, end_of_journal


class RecoveryTuning(msgspec.Struct, frozen=True, kw_only=True):
    """How recovery settles and how long it keeps."""

    strict: Strictness = counts_strictly
    rows_max: int = 500
    bytes_max: int = 1 << 20
    settle_timeout_s: float = 30.0
    retention_s: float = 900.0


class RecoveryReport(msgspec.Struct, kw_only=True):
    """What one recovery found and did; counts of journals, calls and rows."""

    journals: int = 0
    busy: int = 0
    """Held by their workers, or by another recovery."""
    lost_calls: int = 0
    shipped_rows: int = 0
    settled_rows: int = 0
    """Of these, new to the database."""
    rejected_rows: int = 0
    damaged_bytes: int = 0
    waiting: int = 0
    """The database was away: to be tried again."""
    failed: int = 0
    """Could not be read or written: to be tried again."""
    removed: int = 0


async def recover(
    data_dir: Path,
    *,
    settle: Settle,
    tuning: RecoveryTuning | None = None,
    now_ms: UnixMs = unix_ms,
    notice: Notice = silent,
) -> RecoveryReport:
    """See to every journal of this host that has no worker. Raises nothing for what is wrong with one of them: it is
    told, counted, and left for the next time."""
    recovery = _Recovery(settle, tuning or RecoveryTuning(), now_ms, notice)
    for directory in segments.journal_directories(data_dir):
        recovery.report.journals += 1
        lock = segments.take_lock(directory)
        if lock is None:
            recovery.report.busy += 1
            continue
        try:
            await recovery.see_to(directory)
        finally:
            os.close(lock)
    return recovery.report


class _Recovery:
    """One pass over the journals."""

    def __init__(self, settle: Settle, tuning: RecoveryTuning, now_ms: UnixMs, notice: Notice) -> None:
        self._settle, self._tuning, self._now_ms, self._notice = settle, tuning, now_ms, notice
        self.report = RecoveryReport()

    async def see_to(self, directory: Path) -> None:
        """Settle one journal, of which the lock is held."""
        try:
            lost = await asyncio.to_thread(close_lost_calls, directory, self._tuning.strict, self._notice)
            self.report.damaged_bytes += lost.damaged_bytes
            if lost.closed:
                self.report.lost_calls += lost.closed
                self._notice("journal.recovered", journal=directory.name, lost_calls=lost.closed)
            shipped = await self._ship(directory)
            if self._now_ms() - shipped.at_ms >= self._tuning.retention_s * 1000:
                _remove(directory)
                self.report.removed += 1
        except StorageError as error:
            self.report.waiting += 1
            self._notice("recovery.waiting", journal=directory.name, reason=str(error))
        except (JournalError, OSError) as error:
            self.report.failed += 1
            self._notice("recovery.failed", journal=directory.name, reason=str(error))

    async def _ship(self, directory: Path) -> Shipped:
        """Everything behind the cursor; StorageError leaves the cursor at what was settled."""
        end = end_of_journal(directory)
        shipped = load_shipped(directory)
        if shipped is None or shipped.position > end:
            shipped = NOTHING_SHIPPED
        tuning = self._tuning
        delivery = Delivery(directory, self._settle, timeout_s=tuning.settle_timeout_s, notice=self._notice)
        tail = Tail(
            directory, shipped.position, rows_max=tuning.rows_max, bytes_max=tuning.bytes_max, notice=self._notice
        )
        while tail.position < end:
            batch = tail.read(end)
            delivered = await delivery.send(batch.rows)
            self.report.shipped_rows += len(batch.rows)
            self.report.settled_rows += delivered.new
            self.report.rejected_rows += delivered.rejected
            at_ms = self._now_ms() if batch.rows else shipped.at_ms
            shipped = Shipped(position=batch.end, rows=shipped.rows + len(batch.rows), at_ms=at_ms)
            save_shipped(directory, shipped)
        return shipped


def _remove(directory: Path) -> None:
    """Oldest segments first, so that what is left of an interrupted removal has no opening without its closing. Rows
    that the database rejected are kept, beside the journals."""
    rejected = directory / segments.REJECTED_NAME
    if rejected.exists():
        kept = directory.parent / segments.REJECTED_FOLDER
        kept.mkdir(mode=0o700, exist_ok=True)
        rejected.rename(kept / f"{directory.name}.jsonl")
    for number in segments.segment_numbers(directory):
        segments.segment_path(directory, number).unlink()
    for name in (segments.RESERVE_NAME, segments.CURSOR_NAME, segments.LOCK_NAME):
        (directory / name).unlink(missing_ok=True)
    directory.rmdir()
