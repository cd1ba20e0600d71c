"""Closings in memory: the same rows as in the files, in the same order, or none at all."""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journals import entry_of
from tollhouse.ledger.cursor import BEGINNING, Position
from tollhouse.ledger.fresh import ROW_BYTES, FreshRows
from tollhouse.ledger.tail import Tail

pytestmark = pytest.mark.anyio
ALL = {"rows_max": 1000, "bytes_max": 1 << 20}


def filled(rows: int, bytes_max: int = 1 << 20) -> FreshRows:
    """Rows of one byte, ten bytes of the file apart."""
    fresh = FreshRows(bytes_max)
    for number in range(rows):
        fresh.add((1, 100 + 10 * number), b"%d" % number)
    return fresh


def test_rows_come_once_and_in_order() -> None:
    """As many as are wanted; the place is the end of the last one."""
    fresh = filled(5)
    assert fresh.take((0, 0), rows_max=2, bytes_max=100) == ([b"0", b"1"], (1, 110))
    assert not fresh.empty
    assert fresh.take((1, 110), **ALL) == ([b"2", b"3", b"4"], (1, 140))
    assert fresh.empty and fresh.take((1, 140), **ALL) == ([], (1, 140))


def test_one_row_is_given_however_large() -> None:
    """A batch is bounded in bytes, and never empty for it."""
    fresh = filled(3)
    assert fresh.take((0, 0), rows_max=9, bytes_max=1) == ([b"0"], (1, 100))
    assert fresh.take((1, 100), rows_max=9, bytes_max=4) == ([b"1", b"2"], (1, 120))


def test_what_was_read_from_the_files_is_not_given_again() -> None:
    """A position in the middle: only what is behind it."""
    assert filled(5).take((1, 120), **ALL) == ([b"3", b"4"], (1, 140))


def test_a_position_that_is_not_covered_has_no_answer() -> None:
    """After the bound was passed, or a closing was written in another way, the files are asked up to there."""
    fresh = filled(3, bytes_max=2 * (ROW_BYTES + 1))
    assert fresh.empty and fresh.take((1, 119), **ALL) is None
    assert fresh.take((1, 120), **ALL) == ([], (1, 120))
    fresh.add((1, 130), b"3")
    assert fresh.take((1, 110), **ALL) is None
    assert fresh.take((1, 120), **ALL) == ([b"3"], (1, 130))
    fresh.add((2, 50), b"4")
    fresh.forget((2, 60))
    assert fresh.take((1, 130), **ALL) is None and fresh.empty


def test_taking_behind_the_bound_does_not_go_back() -> None:
    """What was taken once is not covered any more."""
    fresh = filled(2)
    fresh.take((0, 0), **ALL)
    assert fresh.take((0, 0), **ALL) is None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.integers(1, 40), st.sampled_from((0, 700, 5000, 1 << 20)))
async def test_memory_and_files_tell_the_same(
    make_journal: Any, records: Any, events: Any, seed: int, rows_max: int, fresh_bytes_max: int
) -> None:
    """Over rolls and forgotten stretches: memory, and the files where it has nothing, give every row once."""
    rng = random.Random(seed)
    journal = make_journal(f"w{uuid4().hex}", segment_bytes_max=2500, reserve_bytes=0, fresh_bytes_max=fresh_bytes_max)
    tail = Tail(journal.directory, BEGINNING, rows_max=rows_max, bytes_max=1 << 20, notice=events)
    shipped: list[bytes] = []
    written: list[bytes] = []

    def ship() -> None:
        end = Position(segment=journal.position[0], offset=journal.position[1])
        place = (tail.position.segment, tail.position.offset)
        found = None if tail.has_begun else journal.take_fresh(place, rows_max=rows_max, bytes_max=1 << 20)
        if found is None:
            shipped.extend(tail.read(end).rows)
            return
        shipped.extend(found[0])
        tail.skip_to(Position(segment=found[1][0], offset=found[1][1]))

    for number in range(60):
        journal.opened(*entry_of(records.opened(number)))
        if rng.random() < 0.8:
            call, row = entry_of(records.closed(number))
            journal.closed(call, row)
            written.append(row)
        if rng.random() < 0.3:
            ship()
    for _ in range(200):
        ship()
    assert shipped == written
