"""The journals of this host as they lie on disk, for diagnosis: whose they are and what has not reached the database.

A journal's lock is taken for a moment to see whether it is free, as recovery does.
Never reads an entry, changes or removes anything.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import JournalError
from tollhouse.ledger import segments
from tollhouse.ledger.cursor import NOTHING_SHIPPED, Position, load_shipped


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's journal. `held`: its worker lives, or a recovery is at it just now."""

    name: str
    held: bool
    bytes: int
    unshipped_bytes: int
    rejected: bool
    """The database refused calls of it; they are kept beside it."""


def journal_states(data_dir: Path) -> list[JournalState]:
    """All journals of this host, in order of name. JournalError if they cannot be looked at."""
    try:
        states = (_state(directory) for directory in segments.journal_directories(data_dir))
        return [state for state in states if state is not None]
    except OSError as error:
        raise JournalError(
            f"the journals in {segments.journal_root(data_dir)} cannot be read: {error.strerror}"
        ) from error


def kept_rejections(data_dir: Path) -> int:
    """Files with calls that the database refused, of journals that are gone. JournalError if there is no looking."""
    try:
        return len(os.listdir(segments.journal_root(data_dir) / segments.REJECTED_FOLDER))
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise JournalError(
            f"the journals in {segments.journal_root(data_dir)} cannot be read: {error.strerror}"
        ) from error


def _state(directory: Path) -> JournalState | None:
    """None where a recovery has removed it meanwhile."""
    try:
        lock = segments.take_lock(directory)
        held = lock is None
        if lock is not None:
            os.close(lock)
        sizes = {
            number: segments.segment_path(directory, number).stat().st_size
            for number in segments.segment_numbers(directory)
        }
        shipped = load_shipped(directory) or NOTHING_SHIPPED
        rejected = (directory / segments.REJECTED_NAME).exists()
    except FileNotFoundError:
        return None
    return JournalState(
        name=directory.name,
        held=held,
        bytes=sum(sizes.values()),
        unshipped_bytes=_behind(shipped.position, sizes),
        rejected=rejected,
    )


def _behind(position: Position, sizes: dict[int, int]) -> int:
    """Bytes after a position; a segment's header is not counted as one that waits."""
    after = 0
    for number, size in sizes.items():
        if number >= position.segment:
            begin = position.offset if number == position.segment else NOTHING_SHIPPED.position.offset
            after += max(0, size - begin)
    return after
