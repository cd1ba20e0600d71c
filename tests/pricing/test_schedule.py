"""When two rows of a book claim the same moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.pricing.model import Hours, Price
from tollhouse.pricing.schedule import first_overlap

MakeRow = Callable[..., Price]
DAYS = st.none() | st.integers(1, 9).map(lambda day: datetime(2026, 1, day, tzinfo=UTC))
INTERVALS = st.tuples(DAYS, DAYS).filter(lambda pair: pair[0] is None or pair[1] is None or pair[0] < pair[1])


def day(number: int) -> datetime:
    """A day of January."""
    return datetime(2026, 1, number, tzinfo=UTC)


def span(days: tuple[int, ...], begin: int, end: int) -> tuple[Hours, ...]:
    """One weekly time."""
    return (Hours(days=days, from_minute=begin, to_minute=end),)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({}, {}, True),
        ({"valid_to": day(3)}, {"valid_from": day(3)}, False),
        ({"valid_to": day(3)}, {"valid_from": day(2)}, True),
        ({"valid_to": day(3)}, {}, True),
        ({"valid_from": day(1), "valid_to": day(9)}, {"valid_from": day(3), "valid_to": day(4)}, True),
        ({}, {"region": "us"}, False),
        ({"region": "us"}, {"region": "us"}, True),
        ({}, {"tier": "batch"}, False),
        ({}, {"provider": "q"}, False),
        ({}, {"model": "n"}, False),
        ({}, {"hours": span((0,), 0, 60)}, False),
        ({"hours": span((0, 1), 0, 60)}, {"hours": span((1,), 59, 90)}, True),
        ({"hours": span((0, 1), 0, 60)}, {"hours": span((1,), 60, 90)}, False),
        ({"hours": span((0,), 0, 60)}, {"hours": span((1,), 0, 60)}, False),
        ({"hours": span((0,), 0, 60), "valid_to": day(3)}, {"hours": span((0,), 0, 60), "valid_from": day(3)}, False),
    ],
)
def test_two_rows_meet_where_all_of_their_key_and_time_does(
    row: MakeRow, one: dict[str, object], other: dict[str, object], overlap: bool
) -> None:
    """Given two rows, when compared in either order, then they overlap only if some moment is in both."""
    first, second = row(**{"id": "a", **one}), row(**{"id": "b", **other})
    assert (first_overlap([first, second]) is not None) is overlap
    assert (first_overlap([second, first]) is not None) is overlap


def test_the_two_rows_are_named_among_many(row: MakeRow) -> None:
    """Given rows of many keys, when two of one key overlap, then it is these two that are found."""
    rows = [row(f"m{n}") for n in range(20)] + [row("m7", id="again")]
    found = first_overlap(rows)
    assert found is not None
    assert [price.id for price in found] == ["m7", "again"]
    assert first_overlap(rows[:-1]) is None
    assert first_overlap([]) is None


@given(INTERVALS, INTERVALS)
def test_rows_overlap_exactly_if_a_day_is_in_both(
    one: tuple[datetime | None, datetime | None], other: tuple[datetime | None, datetime | None]
) -> None:
    """Given any two half-open intervals, when compared, then the answer is that of looking at every day."""
    rows = [
        Price(id=name, provider="p", model="m", valid_from=begin, valid_to=end, rates={}, source="s", retrieved="r")
        for name, (begin, end) in (("a", one), ("b", other))
    ]
    moments = [datetime(2025, 12, 1, tzinfo=UTC), *map(day, range(1, 10)), datetime(2026, 2, 1, tzinfo=UTC)]
    together = any(
        all((begin is None or begin <= moment) and (end is None or moment < end) for begin, end in (one, other))
        for moment in moments
    )
    assert (first_overlap(rows) is not None) is together
