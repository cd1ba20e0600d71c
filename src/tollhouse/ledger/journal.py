"""The journal of one worker: a call is opened here before its side effect and closed once.

Each of `opened`, `progress` and `closed` is one write into an append-only segment, in the kernel before it returns, so
it survives `kill -9`. A thread of the owner calls `sync()` and `probe()` (see journal_sync.py), so that it soon
survives a power cut too; in mode `power`, `opened_durably` waits for that.

When an entry cannot be written, the frame's beginning is cut off again, `healthy` turns False and no call is opened
until a probe has written whatever waited, refilled the reserve and written a mark. Closings do not stop there:
they draw on the reserve (see reserve.py), then wait in memory, bounded, for the probe.

Never waits for a disk in mode `process`, never writes part of an entry and leaves it, never decodes an entry.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import msgspec

from tollhouse.kernel.errors import JournalError
from tollhouse.kernel.ids import CallId
from tollhouse.ledger import segments
from tollhouse.ledger.fresh import FreshRows, Place
from tollhouse.ledger.journal_format import HEADER_BYTES, Kind, frame
from tollhouse.ledger.model import CallProgress
from tollhouse.ledger.ports import Monotonic, Notice, silent
from tollhouse.ledger.reserve import Reserve
from tollhouse.ledger.waiting import Waiter, tell

_RETIRED_MAX = 16
_ROLL_RETRY_S = 5.0
_NOW = float("-inf")
_MARK_PROBE = frame(Kind.MARK, b'{"mark":"probe","room":"' + b"-" * (16 << 10) + b'"}')
"""As large as some calls, so that what is left of a file's last page does not pass for a disk with space."""
_OPENED, _CLOSED = Kind.OPENED, Kind.CLOSED
_FULL = (errno.ENOSPC, errno.EDQUOT)


class JournalTuning(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one worker's journal."""

    durability: Literal["process", "power"] = "process"
    segment_bytes_max: int = 16 << 20
    segment_age_max_s: float = 300.0
    journal_bytes_max: int = 1 << 30
    """All segments together; beyond it the database has been away too long, and calls are refused."""
    reserve_bytes: int = 4 << 20
    backlog_bytes_max: int = 4 << 20
    """Closings kept in memory while nothing can be written."""
    fresh_bytes_max: int = 2 << 20
    """Closings kept in memory for the shipper, which reads the segments where that does not suffice."""
    sync_wait_max_s: float = 1.0
    """How long `opened_durably` waits for the disk before the call is refused."""


class Journal:
    """A `CallJournal` on disk. Written from one event loop; `sync` and `probe` may run in another thread."""

    def __init__(
        self,
        data_dir: Path,
        instance_id: str,
        *,
        tuning: JournalTuning | None = None,
        monotonic: Monotonic = time.monotonic,
        notice: Notice = silent,
    ) -> None:
        """Makes and locks a new directory; JournalError if that cannot be done."""
        self.tuning = tuning or JournalTuning()
        self.wake = threading.Event()
        """Set when the syncing thread has something to do before its next turn."""
        self.progress_lost = 0
        self._monotonic, self._notice = monotonic, notice
        self._encode = msgspec.json.Encoder().encode
        self._mutex = threading.Lock()
        self._waiters: list[Waiter] = []
        self._open: dict[CallId, tuple[int, bytes]] = {}
        self._backlog: dict[CallId, bytes] = {}
        self._retired: list[int] = []
        self._writable, self._tail_dirty, self._unsynced, self._new_names = True, False, True, True
        self._closed = False
        self.fresh = FreshRows(self.tuning.fresh_bytes_max)
        self.directory, self._lock = segments.create_directory(data_dir, instance_id)
        self._number, self._size, self._total = 1, HEADER_BYTES, HEADER_BYTES
        self._sealed: dict[int, int] = {}
        self._full_at = self.tuning.segment_bytes_max
        try:
            self._reserve = Reserve(self.directory / segments.RESERVE_NAME, self.tuning.reserve_bytes)
            self._reserve.fill()
            self._descriptor = segments.create_segment(self.directory, 1)
        except OSError as error:
            os.close(self._lock)
            raise JournalError(f"cannot begin the journal {self.directory}: {error.strerror}") from error
        self._roll_at = monotonic() + self.tuning.segment_age_max_s

    @property
    def healthy(self) -> bool:
        """Whether a call may be opened."""
        return self._writable and self._total <= self.tuning.journal_bytes_max

    @property
    def writable(self) -> bool:
        """False from a failed write until a probe succeeds."""
        return self._writable

    @property
    def position(self) -> tuple[int, int]:
        """(segment, offset) up to which entries are whole; it only grows."""
        return self._number, self._size

    @property
    def total_bytes(self) -> int:
        """Size of all segments."""
        return self._total

    @property
    def open_calls(self) -> int:
        """Calls opened and not closed."""
        return len(self._open)

    @property
    def waiting_closings(self) -> int:
        """Closings that wait in memory for the disk."""
        return len(self._backlog)

    def segment_sizes(self) -> dict[int, int]:
        """Bytes by segment, ascending, the current one last."""
        with self._mutex:
            return {**self._sealed, self._number: self._size}

    def opened(self, call: CallId, entry: bytes, /) -> None:
        """One frame, in the kernel on return. JournalError: not recorded, and `healthy` is False."""
        framed = frame(_OPENED, entry)
        with self._mutex:
            if not self._writable or self._total > self.tuning.journal_bytes_max:
                raise JournalError("the journal takes no calls: its disk is full or failing, or its bound is reached")
            try:
                self._append(framed)
            except OSError as error:
                raise self._failed(error) from error
            self._open[call] = (self._number, framed)

    async def opened_durably(self, call: CallId, entry: bytes, /) -> None:
        """As `opened`; in mode `power` returns when a group sync has covered it. JournalError also if that fails or
        takes too long."""
        self.opened(call, entry)
        if self.tuning.durability == "process":
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._mutex:
            self._waiters.append((loop, future))
        self.wake.set()
        try:
            async with asyncio.timeout(self.tuning.sync_wait_max_s):
                await future
        except TimeoutError as error:
            raise JournalError("the journal's disk did not confirm an entry in time") from error

    def progress(self, records: Sequence[CallProgress], /) -> None:
        """All of them in one write. Never raises; what could not be written is counted in `progress_lost`."""
        framed = b"".join([frame(Kind.PROGRESS, self._encode(record)) for record in records])
        with self._mutex:
            try:
                if self._writable:
                    self._append(framed)
                    return
            except OSError as error:
                self._failed(error)
            self.progress_lost += len(records)

    def closed(self, call: CallId, entry: bytes, /) -> None:
        """One frame, in the kernel on return. JournalError: it waits in memory, or there was no room even there.

        What is kept for hard times belongs to calls that were opened: one that was refused cost nobody anything, and
        while the journal cannot be written it leaves no entry.
        """
        framed = frame(_CLOSED, entry)
        with self._mutex:
            risked = call in self._open
            if not risked and not self._writable:
                raise JournalError("the journal cannot be written, and keeps its last room for calls that were opened")
            try:
                self._append(framed)
                self.fresh.add((self._number, self._size), entry)
            except OSError as error:
                if not risked:
                    raise self._failed(error) from error
                self._close_hard(call, framed, error)
            self._open.pop(call, None)

    def take_fresh(self, position: Place, *, rows_max: int, bytes_max: int) -> tuple[list[bytes], Place] | None:
        """The next closings behind a position, from memory, and up to where they are all; None where the files must be
        asked. Not while a probe writes closings that memory does not know yet."""
        with self._mutex:
            found = self.fresh.take(position, rows_max=rows_max, bytes_max=bytes_max)
            if found is None or not self.fresh.empty:
                return found
            # Behind the last closing there are only entries that are not shipped.
            return found[0], (self._number, self._size)

    def carry(self, number: int) -> None:
        """Write calls again that are open and were opened in segment `number` or before, so that those segments may go.
        JournalError if that cannot be done."""
        with self._mutex:
            old = [(call, framed) for call, (where, framed) in self._open.items() if where <= number]
            try:
                for call, framed in old:
                    self._append(framed)
                    self._open[call] = (self._number, framed)
            except OSError as error:
                raise self._failed(error) from error

    def remove_segment(self, number: int) -> None:
        """Delete a segment that is not the current one. JournalError if that cannot be done."""
        with self._mutex:
            if number >= self._number:
                raise ValueError("the current segment cannot be removed")
            try:
                segments.segment_path(self.directory, number).unlink(missing_ok=True)
            except OSError as error:
                raise JournalError(f"cannot remove a segment of the journal: {error.strerror}") from error
            self._total -= self._sealed.pop(number, 0)

    def sync(self) -> None:
        """Make everything written so far durable and tell those who wait. A failure turns `healthy` False and goes to
        the waiters; nothing that a failed sync may have lost is trusted, a new segment follows."""
        with self._mutex:
            waiters, self._waiters = self._waiters, []
            retired, self._retired = self._retired, []
            unsynced, self._unsynced = self._unsynced, False
            new_names, self._new_names = self._new_names, False
        problem: OSError | None = None
        try:
            with self._mutex:  # a copy: the writer may roll meanwhile, and the number of the old one be used again
                retired.append(os.dup(self._descriptor))
            for descriptor in retired if unsynced else []:
                os.fdatasync(descriptor)
            if new_names:
                segments.sync_directory(self.directory)
        except OSError as error:
            problem = error
            with self._mutex:
                self._roll_at, self._unsynced, self._new_names = _NOW, True, True
                self._failed(error)
        for descriptor in retired:
            os.close(descriptor)
        tell(waiters, None if problem is None else JournalError(f"the journal could not be synced: {_reason(problem)}"))

    def probe(self) -> bool:
        """Try to write again: closings that wait, the reserve, a mark, to the disk. True if the journal is writable."""
        if self._writable or self._closed:
            return self._writable
        try:
            with self._mutex:
                if self._size > HEADER_BYTES:  # the old file may have a limit or a fault of its own
                    self._roll()
                for call, framed in list(self._backlog.items()):
                    self._append(framed)
                    # At once: this one stands in the file, whatever becomes of the next.
                    self.fresh.forget((self._number, self._size))
                    del self._backlog[call]
                    self._open.pop(call, None)
                self._reserve.fill()
                self._append(_MARK_PROBE)
                descriptor = os.dup(self._descriptor)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False  # told when it began; the owner probes again
        self._writable = True
        self._notice("journal.writable")
        return True

    def close(self) -> None:
        """Sync and let go of the lock, once. The thread must have ended; what is not shipped is left to a recovery."""
        if self._closed:
            return
        self.probe()  # the last chance for closings that wait
        self.sync()
        self._closed, self._writable = True, False
        os.close(self._descriptor)
        self._reserve.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, framed: bytes) -> None:
        """One whole write at the end; after an OSError nothing of it is left. Under the mutex, as all below."""
        if self._monotonic() >= self._roll_at:
            self._roll_if_possible()
        if self._tail_dirty:
            self._mend_tail()
        written = os.write(self._descriptor, framed)
        if written != len(framed):
            written = self._write_rest(framed, written)
        if self._size < self._full_at <= self._size + written:
            self._roll_at = _NOW
        self._size += written
        self._total += written
        self._unsynced = True

    def _write_rest(self, framed: bytes, written: int) -> int:
        """After a write that was taken in part: the rest, or the reason why not and the tail cut off."""
        self._tail_dirty = True
        try:
            while written < len(framed):
                written += os.write(self._descriptor, framed[written:])
        except OSError:
            self._mend_tail()
            raise
        self._tail_dirty = False
        return written

    def _mend_tail(self) -> None:
        """Cut off the beginning of a frame; where the file refuses, leave it as a torn tail and begin a new segment."""
        try:
            os.ftruncate(self._descriptor, self._size)
            self._tail_dirty = False
        except OSError:
            self._roll()

    def _roll_if_possible(self) -> None:
        try:
            self._roll()
        except OSError as error:  # the old segment still takes entries: rolling can wait
            self._roll_at = self._monotonic() + _ROLL_RETRY_S
            self._notice("journal.roll_failed", reason=_reason(error))

    def _roll(self) -> None:
        """Begin the next segment; the syncing thread syncs and closes the old one."""
        number = self._number + 1
        descriptor = segments.create_segment(self.directory, number)
        self._retired.append(self._descriptor)
        self._sealed[self._number] = self._size
        self._descriptor, self._number, self._size = descriptor, number, HEADER_BYTES
        self._total += HEADER_BYTES
        self._tail_dirty, self._unsynced, self._new_names = False, True, True
        self._roll_at = self._monotonic() + self.tuning.segment_age_max_s
        if len(self._retired) > _RETIRED_MAX:  # the thread cannot keep up: the writer pays, descriptors stay bounded
            oldest = self._retired.pop(0)
            try:
                os.fdatasync(oldest)
            finally:
                os.close(oldest)

    def _close_hard(self, call: CallId, framed: bytes, error: OSError) -> None:
        """Write a closing for which there was no room: from the reserve, in a new segment, at last into memory."""
        problem = self._failed(error)
        while self._make_room(error):
            try:
                self._append(framed)
                self.fresh.forget((self._number, self._size))
                return
            except OSError as again:
                error = again
        waiting = sum(map(len, self._backlog.values()))
        if waiting + len(framed) > self.tuning.backlog_bytes_max:
            self._notice("journal.closing_lost", call=call)
            raise JournalError("the journal cannot be written and has no room for one more closing") from problem
        self._backlog[call] = framed
        raise problem

    def _make_room(self, error: OSError) -> bool:
        if error.errno in _FULL:
            return self._reserve.release_step()
        if self._size == HEADER_BYTES:  # a new segment did not help before
            return False
        try:
            self._roll()
        except OSError:
            return False
        return True

    def _failed(self, error: OSError) -> JournalError:
        if self._writable:
            self._writable = False
            self._notice("journal.unwritable", reason=_reason(error))
            self.wake.set()
        return JournalError(f"the journal cannot be written: {_reason(error)}")


def _reason(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown")
