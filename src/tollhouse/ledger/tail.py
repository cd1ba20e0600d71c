"""Reading closed calls off a journal's segments, a batch at a time. The files are the queue: in memory is one block.

Rows are the journal's own bytes, never decoded. What cannot be read is counted and told, never passed over in
silence; reading goes on behind it.

Never writes, never reads past the limit it is given (the writer's position, or the end of a dead journal).
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

from tollhouse.ledger import segments
from tollhouse.ledger.cursor import BEGINNING, Position
from tollhouse.ledger.journal_format import HEADER_BYTES, Kind, journal_id, read_header, scan
from tollhouse.ledger.ports import Notice

BLOCK_BYTES = 64 << 10
_READ_BYTES_MAX = 2 << 20


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Closed calls in the order of their closing, maybe none; `end` is where the next batch begins."""

    rows: list[bytes]
    end: Position


class Tail:
    """Reads one journal from `position` on."""

    def __init__(self, directory: Path, position: Position, *, rows_max: int, bytes_max: int, notice: Notice) -> None:
        self._directory, self._notice = directory, notice
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._identity = journal_id(directory.name)
        self._rows: list[bytes] = []
        """The batch that is being put together."""
        self._read_bytes = 0
        self._pending: deque[tuple[bytes, int]] = deque()
        """Rows scanned and not handed out, each with the offset of its end in `_pending_segment`."""
        self._pending_segment = position.segment
        self.damaged_bytes = 0
        """Bytes that were no entry although entries follow, in all segments read."""
        self.torn_bytes = 0
        """Bytes at the ends of segments that were never a whole entry."""
        self.position = self._ahead = position

    @property
    def has_begun(self) -> bool:
        """Whether rows wait that were not handed out."""
        return bool(self._rows or self._pending)

    def skip_to(self, position: Position) -> None:
        """Reading goes on there; whoever says so has all the rows before it."""
        assert not self._rows and not self._pending, "skipped with rows in hand"
        self.position = self._ahead = position

    def read(self, limit: Position) -> Batch:
        """The next batch before `limit`; its rows may be none where there is much else to read first. OSError if a
        segment cannot be read."""
        while (batch := self.read_block(limit)) is None:
            pass
        return batch

    def read_block(self, limit: Position) -> Batch | None:
        """As `read`, but looks at one block only, so that an event loop is not held up: None until a batch is whole."""
        self._take()
        if not self._pending:
            self.position = self._ahead
            if self._ahead < limit and len(self._rows) < self._rows_max and self._read_bytes < _READ_BYTES_MAX:
                self._read_bytes += self._scan_block(limit)
                return None
        rows, self._rows, self._read_bytes = self._rows, [], 0
        return Batch(rows=rows, end=self.position)

    def _take(self) -> None:
        """Move pending rows to the batch, as many as it has room for."""
        rows = self._rows
        row_bytes = sum(map(len, rows)) + len(rows)
        taken = None
        while self._pending and len(rows) < self._rows_max:
            payload, end = self._pending[0]
            row_bytes += len(payload) + 1
            if rows and row_bytes > self._bytes_max:
                break
            self._pending.popleft()
            rows.append(payload)
            taken = end
        if taken is not None:
            self.position = Position(segment=self._pending_segment, offset=taken)

    def _scan_block(self, limit: Position) -> int:
        """Scan one block at `_ahead` and move it on; bytes read."""
        number, offset = self._ahead.segment, self._ahead.offset
        try:
            descriptor = os.open(segments.segment_path(self._directory, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # before the oldest one, or one that was shipped and removed
            self._ahead = self._next_segment(limit)
            return 0
        try:
            end = os.fstat(descriptor).st_size
            if number == limit.segment:
                end = min(end, limit.offset)
            if offset == HEADER_BYTES:
                self._check_header(os.pread(descriptor, HEADER_BYTES, 0), number)
            wanted = min(BLOCK_BYTES, max(0, end - offset))
            moved = self._scan(os.pread(descriptor, wanted, offset), final=offset + wanted >= end)
            if not moved:  # a frame larger than the block, or damage: look at all that is left
                wanted = end - offset
                self._scan(os.pread(descriptor, wanted, offset), final=True)
        finally:
            os.close(descriptor)
        if self._ahead.offset >= end:
            self._ahead = limit if number == limit.segment else self._next_segment(limit)
        return wanted

    def _scan(self, data: bytes, *, final: bool) -> bool:
        """Take the closed calls of `data`, which begins at `_ahead`; False if that could not move on."""
        found = scan(data, final=final, only=Kind.CLOSED)
        if not final and found.end == 0:
            return False
        number, base = self._ahead.segment, self._ahead.offset
        self._pending_segment = number
        self._pending.extend((entry.payload, base + entry.end) for entry in found.entries)
        if found.damaged_bytes:
            self.damaged_bytes += found.damaged_bytes
            self._notice("journal.damaged", segment=number, spans=found.damaged_spans, bytes=found.damaged_bytes)
        if found.torn_bytes:
            self.torn_bytes += found.torn_bytes
            self._notice("journal.torn", segment=number, bytes=found.torn_bytes)
        self._ahead = Position(segment=number, offset=base + (len(data) if final else found.end))
        return True

    def _check_header(self, data: bytes, number: int) -> None:
        head = read_header(data)
        if head is None or head.number != number or head.journal_id != self._identity:
            self._notice("journal.header_damaged", segment=number)

    def _next_segment(self, limit: Position) -> Position:
        later = [number for number in segments.segment_numbers(self._directory) if number > self._ahead.segment]
        if not later or later[0] > limit.segment:
            return limit
        return Position(segment=later[0], offset=HEADER_BYTES)


def end_of_journal(directory: Path) -> Position:
    """The end of a journal that nobody writes."""
    numbers = segments.segment_numbers(directory)
    if not numbers:
        return BEGINNING
    size = segments.segment_path(directory, numbers[-1]).stat().st_size
    return Position(segment=numbers[-1], offset=max(size, HEADER_BYTES))
