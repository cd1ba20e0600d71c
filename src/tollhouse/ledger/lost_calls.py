"""Finding the calls that a dead worker left open, and closing them in its own journal.

The closings go to a new segment of that journal before any of them is shipped, followed by a mark; a recovery that
dies in between finds those it wrote closed, and comes to the same rows for the others.

Only for whoever holds the journal's lock. Never asks the database.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import JournalError
from tollhouse.kernel.ids import CallId
from tollhouse.ledger import segments
from tollhouse.ledger.journal_format import HEADER_BYTES, Entry, Kind, Scan, frame, scan
from tollhouse.ledger.model import CallOpened, CallProgress
from tollhouse.ledger.ports import Notice
from tollhouse.ledger.rules import settle_lost

Strictness = Callable[[CallOpened], bool]
"""Whether a lost call counts at its ceiling even where less was metered."""

_RECOVERED_PAYLOAD = b'{"mark":"recovered"}'
_WRITE_BYTES = 1 << 20


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """An entry's call."""

    call_id: CallId


class LostCalls(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: calls closed now, and bytes of damage (an opening in there is not known of)."""

    closed: int = 0
    damaged_bytes: int = 0


class Unclosed(msgspec.Struct, kw_only=True):
    """What reading a journal has come to so far: open calls and how each was last metered, in order of opening."""

    opened: dict[CallId, CallOpened] = {}
    progress: dict[CallId, CallProgress] = {}
    unreadable: int = 0
    """Whole entries whose payload is none of ours."""
    damaged_bytes: int = 0


def close_lost_calls(directory: Path, strict: Strictness, notice: Notice) -> LostCalls:
    """Close what is open in a dead worker's journal. JournalError if it cannot be read or written; then nothing is
    lost, and it may be tried again."""
    try:
        numbers = segments.segment_numbers(directory)
        if not numbers or _is_recovered(directory, numbers[-1]):
            return LostCalls()
        unclosed = Unclosed()
        for number in numbers:
            _read_segment(directory, number, unclosed)
        if unclosed.unreadable:
            notice("journal.unreadable", journal=directory.name, entries=unclosed.unreadable)
        _write_closings(directory, numbers[-1] + 1, unclosed, strict)
    except OSError as error:
        raise JournalError(f"cannot recover the journal {directory.name}: {error.strerror}") from error
    return LostCalls(closed=len(unclosed.opened), damaged_bytes=unclosed.damaged_bytes)


def _is_recovered(directory: Path, last: int) -> bool:
    entries = _scan_segment(directory, last).entries
    return bool(entries) and entries[-1].kind == Kind.MARK and entries[-1].payload == _RECOVERED_PAYLOAD


def _read_segment(directory: Path, number: int, unclosed: Unclosed) -> None:
    found = _scan_segment(directory, number)
    unclosed.damaged_bytes += found.damaged_bytes
    for entry in found.entries:
        try:
            _take(entry, unclosed)
        except msgspec.MsgspecError:
            unclosed.unreadable += 1


def _take(entry: Entry, unclosed: Unclosed) -> None:
    if entry.kind == Kind.OPENED:
        opened = msgspec.json.decode(entry.payload, type=CallOpened)
        unclosed.opened[opened.call_id] = opened
    elif entry.kind == Kind.PROGRESS:
        progress = msgspec.json.decode(entry.payload, type=CallProgress)
        if progress.call_id in unclosed.opened:
            unclosed.progress[progress.call_id] = progress
    elif entry.kind == Kind.CLOSED:
        call = msgspec.json.decode(entry.payload, type=Named).call_id
        unclosed.opened.pop(call, None)
        unclosed.progress.pop(call, None)


def _write_closings(directory: Path, number: int, unclosed: Unclosed, strict: Strictness) -> None:
    (directory / segments.RESERVE_NAME).unlink(missing_ok=True)  # kept for this: room on a full disk
    descriptor = segments.create_segment(directory, number)
    try:
        _append_closings(descriptor, unclosed, strict)
        os.fdatasync(descriptor)
    except OSError:
        segments.segment_path(directory, number).unlink()
        raise
    finally:
        os.close(descriptor)
    segments.sync_directory(directory)


def _append_closings(descriptor: int, unclosed: Unclosed, strict: Strictness) -> None:
    waiting: list[bytes] = []
    size = 0
    for call, opened in unclosed.opened.items():
        closed = settle_lost(opened, unclosed.progress.get(call), strict(opened))
        waiting.append(frame(Kind.CLOSED, msgspec.json.encode(closed)))
        size += len(waiting[-1])
        if size >= _WRITE_BYTES:
            segments.write_whole(descriptor, b"".join(waiting))
            waiting, size = [], 0
    waiting.append(frame(Kind.MARK, _RECOVERED_PAYLOAD))
    segments.write_whole(descriptor, b"".join(waiting))


def _scan_segment(directory: Path, number: int) -> Scan:
    return scan(segments.segment_path(directory, number).read_bytes(), HEADER_BYTES, final=True)
