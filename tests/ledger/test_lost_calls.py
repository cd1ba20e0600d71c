"""Closing what a dead worker left open, in its own journal, without a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journals import entry_of
from tollhouse.kernel.errors import JournalError
from tollhouse.ledger import segments
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_format import Kind, frame
from tollhouse.ledger.lost_calls import LostCalls, close_lost_calls


def strictly(opened: Any) -> bool:
    """Every lost call counts at its ceiling."""
    return True


def dead(tmp_path: Path, records: Any, opened: int, closed: int = 0, **tuning: Any) -> Path:
    """The journal of a worker that is gone."""
    with Journal(tmp_path, "dead", tuning=JournalTuning(**({"reserve_bytes": 4096} | tuning))) as journal:
        for number in range(opened):
            journal.opened(*entry_of(records.opened(number)))
        for number in range(closed):
            journal.closed(*entry_of(records.closed(number)))
        return journal.directory


def outcomes(entries: list[tuple[Kind, dict[str, Any]]]) -> list[str]:
    """Of the closings, in order."""
    return [payload["outcome"] for kind, payload in entries if kind == Kind.CLOSED]


def append(directory: Path, data: bytes) -> None:
    """Bytes behind the journal's last entry."""
    with segments.segment_path(directory, segments.segment_numbers(directory)[-1]).open("ab") as file:
        file.write(data)


def test_open_calls_are_closed_once(tmp_path: Path, records: Any, entries_of: Any, events: Any) -> None:
    """Given calls left open, when closed twice over, then the second time finds the mark and does nothing."""
    directory = dead(tmp_path, records, opened=5, closed=2)
    assert close_lost_calls(directory, strictly, events) == LostCalls(closed=3)
    numbers = segments.segment_numbers(directory)
    assert close_lost_calls(directory, strictly, events) == LostCalls()
    assert segments.segment_numbers(directory) == numbers
    assert outcomes(entries_of(directory)) == ["completed"] * 2 + ["gateway_lost"] * 3


def test_a_journal_without_open_calls_is_marked_too(tmp_path: Path, records: Any, events: Any) -> None:
    """Given nothing to close, when looked at, then that is remembered, so that it is not read again."""
    directory = dead(tmp_path, records, opened=2, closed=2)
    before = segments.segment_numbers(directory)
    assert close_lost_calls(directory, strictly, events) == LostCalls()
    assert segments.segment_numbers(directory) == [*before, before[-1] + 1]


def test_a_directory_without_segments_is_no_journal(tmp_path: Path, events: Any) -> None:
    """Given a worker that died before its first segment, when looked at, then nothing is written."""
    assert close_lost_calls(tmp_path, strictly, events) == LostCalls()
    assert list(tmp_path.iterdir()) == []


def test_each_call_is_asked_for_its_strictness(tmp_path: Path, records: Any, entries_of: Any, events: Any) -> None:
    """Given metered calls of two modes, when closed, then each costs its ceiling or what was metered."""
    with Journal(tmp_path, "dead", tuning=JournalTuning(reserve_bytes=4096)) as journal:
        for number in (1, 2):
            journal.opened(*entry_of(records.opened(number)))
        journal.progress([records.progress(1, 7), records.progress(2, 7), records.progress(3, 7)])
        directory = journal.directory
    close_lost_calls(directory, lambda opened: opened.call_id == records.call(1), events)
    closed = [payload["cost_nano_usd"] for kind, payload in entries_of(directory) if kind == Kind.CLOSED]
    assert closed == [10_000_000, 7]


def test_entries_that_are_none_of_ours_are_counted_and_passed_over(
    tmp_path: Path, records: Any, events: Any, entries_of: Any
) -> None:
    """Given whole entries with foreign payloads, when read, then calls around them are closed, and it is told."""
    directory = dead(tmp_path, records, opened=2)
    append(directory, frame(Kind.OPENED, b'{"call_id":7}') + frame(Kind.CLOSED, b"{}") + frame(Kind.PROGRESS, b"{"))
    append(directory, frame(Kind.MARK, b'{"mark":"probe"}'))
    found: list[dict[str, object]] = []

    def notice(event: str, /, **fields: int | float | str) -> None:
        found.append({"event": event, **fields})

    assert close_lost_calls(directory, strictly, notice) == LostCalls(closed=2)
    assert found == [{"event": "journal.unreadable", "journal": "dead", "entries": 3}]


def test_damage_is_counted_in_bytes(tmp_path: Path, records: Any, events: Any) -> None:
    """Given noise between good entries, when read, then it is told how many bytes, and what is behind it counts."""
    directory = dead(tmp_path, records, opened=1)
    append(directory, b"\xff" * 13 + frame(Kind.CLOSED, b'{"call_id":"%s"}' % records.call(0).encode()))
    assert close_lost_calls(directory, strictly, events) == LostCalls(closed=0, damaged_bytes=13)


def test_an_end_of_one_recovery_is_no_end_once_more_was_written(
    tmp_path: Path, records: Any, events: Any, entries_of: Any
) -> None:
    """Given an opening behind the mark, when looked at again, then it is closed as well."""
    directory = dead(tmp_path, records, opened=1)
    close_lost_calls(directory, strictly, events)
    append(directory, frame(Kind.OPENED, b'{"call_id":"%s","tenant_id":"t","started_ms":1}' % records.call(9).encode()))
    assert close_lost_calls(directory, strictly, events) == LostCalls(closed=1)
    assert outcomes(entries_of(directory)) == ["gateway_lost"] * 2


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, records: Any, events: Any) -> None:
    """Given a segment's name that is taken, when closing fails, then it is told, and may be tried again."""
    directory = dead(tmp_path, records, opened=3)
    in_the_way = segments.segment_path(directory, segments.segment_numbers(directory)[-1] + 1)
    in_the_way.symlink_to(tmp_path / "nowhere" / "file")
    with pytest.raises(JournalError, match="cannot recover the journal dead"):
        close_lost_calls(directory, strictly, events)
    in_the_way.unlink(missing_ok=True)
    assert close_lost_calls(directory, strictly, events) == LostCalls(closed=3)


def test_the_reserve_is_given_up_for_the_closings(tmp_path: Path, records: Any, events: Any) -> None:
    """Given a journal with its reserve, when its calls are closed, then the space is free for them."""
    directory = dead(tmp_path, records, opened=1, reserve_bytes=1 << 20)
    assert (directory / segments.RESERVE_NAME).stat().st_size == 1 << 20
    close_lost_calls(directory, strictly, events)
    assert not (directory / segments.RESERVE_NAME).exists()
