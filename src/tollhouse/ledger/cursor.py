"""How far a journal has been shipped, durably.

One small record with a checksum, written in place: that needs no space on a full disk. A cursor that cannot be
trusted is as good as none: shipping begins again at the oldest segment, and settling passes over what is there.

Never says more than what was settled.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from zlib import crc32

import msgspec

from tollhouse.ledger.journal_format import HEADER_BYTES
from tollhouse.ledger.segments import CURSOR_NAME

_MAGIC = b"TOLLCURS"
_RECORD = struct.Struct("<8sQQQQ")
_CHECK = struct.Struct("<I")


class Position(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place in a journal: before it, everything has been read. `offset` is in bytes of the segment's file."""

    segment: int
    offset: int


BEGINNING = Position(segment=0, offset=HEADER_BYTES)


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """The record: up to where, how many rows so far, when last (Unix milliseconds)."""

    position: Position
    rows: int
    at_ms: int


NOTHING_SHIPPED = Shipped(position=BEGINNING, rows=0, at_ms=0)


def load_shipped(directory: Path) -> Shipped | None:
    """The cursor of a journal; None if there is none or it is damaged. OSError if it cannot be read."""
    try:
        data = (directory / CURSOR_NAME).read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _RECORD.size + _CHECK.size:
        return None
    magic, segment, offset, rows, at_ms = _RECORD.unpack_from(data)
    (check,) = _CHECK.unpack_from(data, _RECORD.size)
    if magic != _MAGIC or check != crc32(data[: _RECORD.size]):
        return None
    return Shipped(position=Position(segment=segment, offset=offset), rows=rows, at_ms=at_ms)


def save_shipped(directory: Path, shipped: Shipped) -> None:
    """Write the cursor of a journal; OSError if that cannot be done."""
    place = shipped.position
    record = _RECORD.pack(_MAGIC, place.segment, place.offset, shipped.rows, shipped.at_ms)
    descriptor = os.open(directory / CURSOR_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, record + _CHECK.pack(crc32(record)), 0)
    finally:
        os.close(descriptor)
