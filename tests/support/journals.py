"""Journals: what lies in the journals of a data directory, read as recovery reads it, without taking a lock."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tollhouse.kernel.ids import CallId
from tollhouse.ledger import segments
from tollhouse.ledger.journal_format import HEADER_BYTES, Kind, scan
from tollhouse.ledger.model import CallClosed, CallOpened


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """All journals together."""

    journals: int
    opened: frozenset[str]
    closed: frozenset[str]
    closings: int

    @property
    def open(self) -> frozenset[str]:
        return self.opened - self.closed


def left_in_journals(data_dir: Path) -> Left:
    """Calls by id. Never called while a journal is being removed."""
    opened: set[str] = set()
    closed: list[str] = []
    directories = segments.journal_directories(data_dir)
    for directory in directories:
        for number in segments.segment_numbers(directory):
            found = scan(segments.segment_path(directory, number).read_bytes(), HEADER_BYTES, final=True)
            for entry in found.entries:
                if entry.kind in (Kind.OPENED, Kind.CLOSED):
                    call = msgspec.json.decode(entry.payload)["call_id"]
                    opened.add(call) if entry.kind == Kind.OPENED else closed.append(call)
    return Left(journals=len(directories), opened=frozenset(opened), closed=frozenset(closed), closings=len(closed))


def entry_of(record: CallOpened | CallClosed) -> tuple[CallId, bytes]:
    """A record as a journal takes it."""
    return record.call_id, msgspec.json.encode(record)
