"""The closings that were just written, kept for the shipper: while it keeps up, shipping reads no file.

The files stay the queue. What is kept here is bounded; when the database is away for longer than that, or a closing was
written in another way, what is here is forgotten up to that place, and the shipper reads the segments from where it is.
"""

from __future__ import annotations

from collections import deque

Place = tuple[int, int]
"""(segment, offset)."""

ROW_BYTES = 64
"""What a row costs beside its bytes, about."""


class FreshRows:
    """Every closing between `since` and the journal's end, in order. Used under the journal's mutex alone."""

    __slots__ = ("_bytes", "_bytes_max", "_rows", "_since")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._rows: deque[tuple[Place, bytes]] = deque()
        self._since: Place = (0, 0)

    @property
    def empty(self) -> bool:
        """Whether every closing was taken."""
        return not self._rows

    def add(self, end: Place, row: bytes) -> None:
        """A closing was written; its frame ends there."""
        self._bytes += len(row) + ROW_BYTES
        if self._bytes > self._bytes_max:
            self.forget(end)
        else:
            self._rows.append((end, row))

    def forget(self, end: Place) -> None:
        """Nothing up to there is known any more."""
        self._rows, self._bytes, self._since = deque(), 0, end

    def take(self, position: Place, *, rows_max: int, bytes_max: int) -> tuple[list[bytes], Place] | None:
        """The next rows behind a position and where the last of them ends; None where the files must be asked."""
        if position < self._since:
            return None
        queue = self._rows
        rows: list[bytes] = []
        left, end = bytes_max, position
        while queue and len(rows) < rows_max:
            place, row = queue[0]
            if place > position:
                if rows and len(row) + 1 > left:
                    break
                left -= len(row) + 1
                rows.append(row)
                end = place
            queue.popleft()
            self._bytes -= len(row) + ROW_BYTES
        self._since = max(self._since, end)
        return rows, end
