"""The journals as they lie on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from journals import entry_of
from tollhouse.ledger.cursor import Position, Shipped, save_shipped
from tollhouse.ledger.inspection import journal_states, kept_rejections
from tollhouse.ledger.journal import Journal
from tollhouse.ledger.segments import REJECTED_FOLDER, REJECTED_NAME, journal_root
from tollhouse.ledger.tail import end_of_journal


def test_no_journals(tmp_path: Path) -> None:
    """A directory that was never used."""
    assert journal_states(tmp_path) == []
    assert kept_rejections(tmp_path) == 0


def test_whose_and_how_far(tmp_path: Path, records: Any) -> None:
    """Held while its worker lives; what is behind the cursor is not unshipped."""
    journal = Journal(tmp_path, "w1")
    journal.opened(*entry_of(records.opened(1)))
    journal.closed(*entry_of(records.closed(1)))
    (state,) = journal_states(tmp_path)
    assert (state.name, state.held, state.rejected) == ("w1", True, False)
    assert 0 < state.unshipped_bytes < state.bytes
    journal.close()
    directory = journal_root(tmp_path) / "w1"
    save_shipped(directory, Shipped(position=end_of_journal(directory), rows=1, at_ms=0))
    (state,) = journal_states(tmp_path)
    assert (state.held, state.unshipped_bytes) == (False, 0)


def test_part_of_it_is_shipped(tmp_path: Path, records: Any) -> None:
    """Bytes from the cursor on are counted."""
    journal = Journal(tmp_path, "w1")
    journal.closed(*entry_of(records.closed(1)))
    directory = journal_root(tmp_path) / "w1"
    middle = end_of_journal(directory)
    journal.closed(*entry_of(records.closed(2)))
    journal.close()
    save_shipped(directory, Shipped(position=middle, rows=1, at_ms=0))
    (state,) = journal_states(tmp_path)
    assert state.unshipped_bytes == end_of_journal(directory).offset - middle.offset
    assert Position(segment=middle.segment, offset=0) < middle


def test_rejections(tmp_path: Path) -> None:
    """In a journal that is there, and of those that are gone."""
    journal = Journal(tmp_path, "w1")
    journal.close()
    (journal_root(tmp_path) / "w1" / REJECTED_NAME).write_bytes(b"{}\n")
    kept = journal_root(tmp_path) / REJECTED_FOLDER
    os.makedirs(kept)
    (kept / "w0.jsonl").write_bytes(b"{}\n")
    assert [state.rejected for state in journal_states(tmp_path)] == [True]
    assert kept_rejections(tmp_path) == 1
