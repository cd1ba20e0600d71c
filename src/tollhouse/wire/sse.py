"""Server-sent events: finds where each event of a stream begins and ends, however the stream is cut.

Rules (WHATWG HTML, "Parsing an event stream"): a line ends with CR, LF or CRLF; a blank line ends an event; lines that
begin with ':' are comments; several `data` lines join with LF; a BOM may come first. Two liberties: an event that the
end of the stream cuts off is still given (its usage counts), and blocks without data give no frame.
Each byte is looked at a bounded number of times, whatever the cuts. It never decodes a payload and never raises.
"""

from __future__ import annotations

import re

import msgspec

EVENT_BYTES_MAX = 32 * 1024 * 1024
"""A longer event is passed over: counted in `oversized`, never kept."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event: its payload, its type (b'' if none) and its bytes' place in the stream, blank line included.

    Positional, unlike other records: one is made per streamed event.
    """

    data: bytes
    event: bytes
    start: int
    end: int


class Framer:
    """Incremental: `feed` gives the events that became complete, `finish` the one that the end cut off."""

    __slots__ = (
        "_after_cr",
        "_data",
        "_event",
        "_kept",
        "_line",
        "_offset",
        "_opened",
        "_skipping",
        "_start",
        "oversized",
    )

    def __init__(self) -> None:
        self.oversized = 0
        self._offset = 0
        self._opened = False
        self._after_cr = False
        self._line = bytearray()
        self._start = 0
        self._data: list[bytes] = []
        self._event = b""
        self._kept = 0
        self._skipping = False

    @property
    def boundary(self) -> int:
        """Position up to which every byte belongs to an event that is complete, or to none."""
        return self._start

    def whole_event(self, data: bytes) -> bytes | None:
        """The payload, where the next bytes are one event of one line and nothing else, as nearly all arrive.

        It is taken then, as by `feed`; None: nothing was taken.
        """
        start, end = self._offset, len(data) - 2
        if (
            start != self._start
            or data.find(b"\n") != end
            or data[-1] != 10
            or not (self._opened and data.startswith(b"data: "))
            or self._after_cr
            or b"\r" in data
        ):
            return None
        self._start = self._offset = start + end + 2
        return data[6:end]

    def feed(self, data: bytes) -> list[Frame]:
        """The events completed by the next bytes, in order."""
        frames: list[Frame] = []
        if not self._opened or self._after_cr or b"\r" in data:
            self._feed_lines(data, frames)
            return frames
        begin = 0
        start = self._offset
        if start != self._start:
            cut = data.find(b"\n\n")
            begin = len(data) if cut < 0 else cut + 2
            self._feed_lines(data[:begin], frames)
        last = data.rfind(b"\n\n", begin)
        if last >= 0:
            self._feed_blocks(data[begin : last + 2] if begin or last + 2 < len(data) else data, frames)
            begin = last + 2
        if begin < len(data):
            self._feed_lines(data[begin:], frames)
        return frames

    def finish(self) -> list[Frame]:
        """The stream ended: what was left open counts as an event."""
        frames: list[Frame] = []
        if self._after_cr:
            self._after_cr = False
            self._end_line(self._offset, frames)
        if self._line:
            self._end_line(self._offset, frames)
        self._end_line(self._offset, frames)
        return frames

    def _feed_blocks(self, data: bytes, frames: list[Frame]) -> None:
        """Whole blocks that end with an empty line, at an event's beginning, without CR: the ordinary case."""
        start = self._offset
        for block in data[:-2].split(b"\n\n"):
            end = start + len(block) + 2
            if block.startswith(b"data: ") and b"\n" not in block:
                frames.append(Frame(block[6:], b"", start, end))
            elif block.startswith(b"event: ") and block.count(b"\n") == 1 and b"\ndata: " in block:
                name, _, payload = block.partition(b"\ndata: ")
                frames.append(Frame(payload, name[7:], start, end))
            else:
                self._offset = self._start = start
                self._feed_lines(block + b"\n\n", frames)
            start = end
        self._offset = start
        self._start = start

    def _feed_lines(self, data: bytes, frames: list[Frame]) -> None:
        """Line by line; keeps what is incomplete. A CR at the end waits: an LF that follows belongs to it."""
        begin = 0
        if self._after_cr and data:
            self._after_cr = False
            begin = 1 if data[0] == 10 else 0
            self._end_line(self._offset + begin, frames)
        if not self._opened:
            begin = self._open(data, begin)
        size = len(data)
        for match in _LINE_END.finditer(data, begin):
            self._keep(data[begin : match.start()])
            begin = match.end()
            if begin == size and data[-1] == 13:
                self._after_cr = True
            else:
                self._end_line(self._offset + begin, frames)
        if begin < size:
            self._keep(data[begin:])
        self._offset += size

    def _open(self, data: bytes, begin: int) -> int:
        """Takes a BOM off the stream's beginning, which may come in pieces; gives where to go on."""
        kept = len(self._line)
        self._line += data[begin : begin + 3 - kept]
        if self._line == _BOM:
            self._line.clear()
            self._opened = True
            return begin + 3 - kept
        if _BOM.startswith(self._line):
            return len(data)
        self._opened = True
        # No BOM after all: what an earlier feed kept is at most two bytes of 0xEF 0xBB, never a line's end.
        del self._line[kept:]
        return begin

    def _keep(self, part: bytes) -> None:
        """Adds to the line under way; of an event that has outgrown what is kept, only that a line is not empty."""
        if not part:
            return
        if not self._skipping and self._kept + len(self._line) + len(part) > EVENT_BYTES_MAX:
            self._skipping = True
            self._data.clear()
        if self._skipping:
            self._line[:] = b":"
        else:
            self._line += part

    def _end_line(self, end: int, frames: list[Frame]) -> None:
        """A line is complete and the next begins at `end`; an empty one completes the event."""
        if not self._line:
            if self._skipping:
                self.oversized += 1
            elif self._data:
                frames.append(Frame(b"\n".join(self._data), self._event, self._start, end))
            self._reset(end)
            return
        name, _, value = bytes(self._line).partition(b":")
        self._line.clear()
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._kept += len(value)
        elif name == b"event":
            self._event = value.removeprefix(b" ")

    def _reset(self, start: int) -> None:
        """Ready for the event that begins at `start`."""
        self._start = start
        self._data = []
        self._event = b""
        self._kept = 0
        self._skipping = False
