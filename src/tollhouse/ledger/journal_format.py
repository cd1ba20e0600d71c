"""The journal's bytes: how a segment begins, how an entry is framed, how entries are read back.

A segment is a header and then frames. A frame is `length u32 | crc32 u32 | kind u8 | payload`, little-endian; length
and checksum cover kind and payload, so a length is never 0 and a run of zeros (a hole left by a power cut) is no
frame. The payload is one JSON object.

Reading: a tail that is cut or half written is normal after a crash and ends the reading. A bad frame with a good one
behind it is damage: it is counted, reading goes on at the next good frame. Such a frame can be found because
JSON has no raw control characters: a kind byte before `{` occurs in headers alone.

Never does I/O, never decodes a payload, never drops a byte uncounted.
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from hashlib import blake2b
from zlib import crc32

import msgspec

MAGIC = b"TOLLJRNL"
FORMAT_VERSION = 1
PAYLOAD_BYTES_MAX = 1 << 20

_PREFIX = struct.Struct("<II")
_HEADER = struct.Struct("<8sHH16sI")
_CHECK = struct.Struct("<I")
_COVERED_BYTES_MAX = PAYLOAD_BYTES_MAX + 1
_PREFIX_BYTES = _PREFIX.size
_unpack_prefix = _PREFIX.unpack_from

FRAME_OVERHEAD_BYTES = _PREFIX_BYTES + 1
HEADER_BYTES = _HEADER.size + _CHECK.size


class Kind(IntEnum):
    """What an entry says; the value is stored."""

    OPENED = 1
    PROGRESS = 2
    CLOSED = 3
    MARK = 4
    """A statement about the journal itself: a probe after a full disk, the end of a recovery."""


_KINDS = frozenset(int(kind) for kind in Kind)
_MARKS = tuple((bytes([number]), crc32(bytes([number]))) for number in range(max(Kind) + 1))
"""The kind's byte and its checksum, by kind; a tuple, because hashing an enum member costs more than the checksum."""
_FRAME_START = re.compile(rb"[\x01-\x04]\{")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One frame as read. `start` and `end` are byte offsets in what was scanned, `end` past the last byte."""

    kind: int
    payload: bytes
    start: int
    end: int


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `end` is where reading goes on (past the last good frame, or past damage before it)."""

    entries: list[Entry]
    end: int
    damaged_spans: int = 0
    """Stretches of bad bytes with a good frame behind them."""
    damaged_bytes: int = 0
    torn_bytes: int = 0
    """Bytes after `end` that are no frame; only in a final scan."""


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the head of a segment says."""

    version: int
    journal_id: bytes
    number: int


def journal_id(instance_id: str) -> bytes:
    """The 16 bytes by which a segment names its journal, so that a stray file is noticed."""
    return blake2b(instance_id.encode(), digest_size=16).digest()


def header(identity: bytes, number: int) -> bytes:
    """The head of a segment: `HEADER_BYTES` bytes."""
    head = _HEADER.pack(MAGIC, FORMAT_VERSION, 0, identity, number)
    return head + _CHECK.pack(crc32(head))


def read_header(data: bytes) -> SegmentHeader | None:
    """The head at the beginning of `data`; None if it is short, damaged or of an unknown format."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, _, identity, number = _HEADER.unpack_from(data)
    (check,) = _CHECK.unpack_from(data, _HEADER.size)
    if magic != MAGIC or version != FORMAT_VERSION or check != crc32(data[: _HEADER.size]):
        return None
    return SegmentHeader(version=version, journal_id=identity, number=number)


def frame(kind: Kind, payload: bytes) -> bytes:
    """One entry as it is written. ValueError if the payload is over `PAYLOAD_BYTES_MAX`."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a journal entry may have at most {PAYLOAD_BYTES_MAX} bytes")
    kind_byte, kind_check = _MARKS[kind]
    return b"%b%b%b" % (_PREFIX.pack(len(payload) + 1, crc32(payload, kind_check)), kind_byte, payload)


def scan(data: bytes, start: int = 0, *, final: bool, only: Kind | None = None) -> Scan:
    """Read frames from `start`. With `final` the segment ends with `data`; without, more may follow, and a frame
    that is not complete yet is left for the next scan. With `only`, entries of other kinds are checked and left out."""
    entries: list[Entry] = []
    position, spans, damaged, size = start, 0, 0, len(data)
    view = memoryview(data)
    while position < size:
        end = _frame_end(view, position)
        if end is not None:
            kind = data[position + _PREFIX_BYTES]
            if only is None or kind == only:
                payload = data[position + FRAME_OVERHEAD_BYTES : end]
                entries.append(Entry(kind=kind, payload=payload, start=position, end=end))
            position = end
            continue
        if not final and _may_continue(data, position):
            break
        resumed = _next_frame(data, view, position)
        if resumed is None:
            break
        spans += 1
        damaged += resumed - position
        position = resumed
    torn = size - position if final else 0
    return Scan(entries=entries, end=position, damaged_spans=spans, damaged_bytes=damaged, torn_bytes=torn)


def _frame_end(data: memoryview, position: int) -> int | None:
    """Where the good frame at `position` ends, if one is there."""
    body = position + _PREFIX_BYTES
    if body >= len(data):
        return None
    length, check = _unpack_prefix(data, position)
    end: int = body + length
    if not 1 <= length <= _COVERED_BYTES_MAX or end > len(data):
        return None
    return end if crc32(data[body:end]) == check and data[body] in _KINDS else None


def _may_continue(data: bytes, position: int) -> bool:
    """Whether the bytes at `position` could be a frame of which the end has not been read yet."""
    if position + _PREFIX_BYTES > len(data):
        return True
    length: int = _unpack_prefix(data, position)[0]
    return 1 <= length <= _COVERED_BYTES_MAX and position + _PREFIX_BYTES + length > len(data)


def _next_frame(data: bytes, view: memoryview, position: int) -> int | None:
    """Where the next good frame after a bad one begins."""
    search = position + 1 + _PREFIX_BYTES
    while (found := _FRAME_START.search(data, search)) is not None:
        candidate = found.start() - _PREFIX_BYTES
        if _frame_end(view, candidate) is not None:
            return candidate
        search = found.start() + 1
    return None
