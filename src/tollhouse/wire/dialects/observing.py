"""Machines between a provider's bytes and a dialect's observer: framing, accumulating, telling one from the other.

An observer knows a dialect's vocabulary and nothing of framing; a reader here knows framing and nothing of the dialect.
Readers pass on the very bytes they were given, but for an event that its observer claims (usage only we asked for).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tollhouse.wire.call import Reported
from tollhouse.wire.jsonarray import ArraySplitter
from tollhouse.wire.sse import Framer

WHOLE_BYTES_MAX = 32 * 1024 * 1024
"""A longer answer passes on unread, noted as `answer_too_long`."""
HELD_BYTES_MAX = 16 * 1024
"""More than this of an unfinished event is not withheld from the client; usage events are far smaller."""

_LEADING = b" \t\r\n\xef\xbb\xbf"


class Observer(Protocol):
    """Reads one answer's vocabulary into `reported`. Never raises on what a provider sends."""

    reported: Reported

    def event(self, payload: bytes, event: bytes) -> bool:
        """One event of a stream; True if it carries nothing but usage."""

    def whole(self, body: bytes) -> None:
        """A complete JSON answer."""

    def end(self) -> None:
        """The body ended."""


class PassingReader:
    """Observes nothing: raw calls and answers that are not JSON or events."""

    def __init__(self, reported: Reported) -> None:
        self.reported = reported

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        self.reported.finished = True
        return b""


class StreamReader:
    """Server-sent events, all passed on."""

    def __init__(self, observer: Observer) -> None:
        self.reported = observer.reported
        self._observer = observer
        self._framer = Framer()

    def feed(self, data: bytes) -> bytes:
        payload = self._framer.whole_event(data)
        if payload is not None:
            self._observer.event(payload, b"")
            return data
        for frame in self._framer.feed(data):
            self._observer.event(frame.data, frame.event)
        return data

    def finish(self) -> bytes:
        for frame in self._framer.finish():
            self._observer.event(frame.data, frame.event)
        if self._framer.oversized:
            note(self.reported, "event_too_long")
        self._observer.end()
        return b""


class StrippingReader:
    """Server-sent events without those that carry nothing but usage. Holds back an event until it is complete."""

    def __init__(self, observer: Observer) -> None:
        self.reported = observer.reported
        self._observer = observer
        self._framer = Framer()
        self._held = b""
        self._passed = 0
        """Bytes of the stream that were passed on or stripped."""

    def feed(self, data: bytes) -> bytes:
        frames = self._framer.feed(data)
        observe = self._observer.event
        strip = [frame for frame in frames if observe(frame.data, frame.event)]
        boundary = self._framer.boundary
        if not strip and not self._held and boundary == self._passed + len(data):
            self._passed = boundary
            return data
        base = self._passed
        known = self._held + data
        if base + len(known) - boundary > HELD_BYTES_MAX:
            boundary = base + len(known)
        self._held = known[boundary - base :] if boundary > base else known
        self._passed = max(boundary, base)
        return _without(known[: self._passed - base], base, [(frame.start, frame.end) for frame in strip])

    def finish(self) -> bytes:
        frames = self._framer.finish()
        strip = [(frame.start, frame.end) for frame in frames if self._observer.event(frame.data, frame.event)]
        if self._framer.oversized:
            note(self.reported, "event_too_long")
        self._observer.end()
        rest, self._held = self._held, b""
        return _without(rest, self._passed, strip)


def _without(known: bytes, base: int, ranges: list[tuple[int, int]]) -> bytes:
    """The bytes, which begin at `base` of the stream, less the ranges; what of a range was passed on is gone."""
    for start, end in reversed(ranges):
        if start >= base:
            known = known[: start - base] + known[end - base :]
    return known


class WholeReader:
    """One JSON answer, read when it is complete."""

    def __init__(self, observer: Observer) -> None:
        self.reported = observer.reported
        self._observer = observer
        self._parts: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> bytes:
        self._bytes += len(data)
        if self._bytes <= WHOLE_BYTES_MAX:
            self._parts.append(data)
        else:
            self._parts.clear()
        return data

    def finish(self) -> bytes:
        if self._bytes > WHOLE_BYTES_MAX:
            note(self.reported, "answer_too_long")
        elif self._bytes:
            self._observer.whole(b"".join(self._parts))
        self._parts.clear()
        self._observer.end()
        return b""


class ArrayReader:
    """A stream that is one JSON array, an element an event (Gemini without `alt=sse`)."""

    def __init__(self, observer: Observer) -> None:
        self.reported = observer.reported
        self._observer = observer
        self._splitter = ArraySplitter()

    def feed(self, data: bytes) -> bytes:
        for element in self._splitter.feed(data):
            self._observer.event(element, b"")
        return data

    def finish(self) -> bytes:
        if self._splitter.oversized:
            note(self.reported, "event_too_long")
        self._observer.end()
        return b""


class Sniffer:
    """Looks at the first byte that says something: '{' begins an answer in one piece, '[' an array, else events.

    Content types are not to be trusted for it: streams are labelled as JSON by some, and errors as streams.
    """

    def __init__(self, observer: Observer, strip: bool) -> None:
        self.reported = observer.reported
        self._observer = observer
        self._strip = strip
        self._leading = b""
        self._reader: StreamReader | StrippingReader | WholeReader | ArrayReader | None = None
        self.feed: Callable[[bytes], bytes] = self._sniff
        """What takes the next bytes: itself up to the first that says something, then the reader that was chosen."""

    def _sniff(self, data: bytes) -> bytes:
        seen = self._leading + data
        significant = seen.lstrip(_LEADING)
        if not significant and len(seen) <= HELD_BYTES_MAX:
            self._leading = seen
            return b"" if self._strip else data
        self._leading = b""
        self._reader = reader = self._choose(significant[:1])
        self.feed = reader.feed
        passed = reader.feed(seen)
        # Where nothing is ever stripped, what led was passed on as it came.
        return passed if self._strip else data

    def finish(self) -> bytes:
        if self._reader is None:
            self._observer.end()
            return self._leading if self._strip else b""
        return self._reader.finish()

    def _choose(self, first: bytes) -> StreamReader | StrippingReader | WholeReader | ArrayReader:
        if first == b"{":
            return WholeReader(self._observer)
        if first == b"[":
            return ArrayReader(self._observer)
        return StrippingReader(self._observer) if self._strip else StreamReader(self._observer)


def note(reported: Reported, flag: str) -> None:
    """Adds a flag once."""
    if flag not in reported.flags:
        reported.flags = (*reported.flags, flag)
