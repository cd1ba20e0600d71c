"""Reading counts that someone else wrote."""

from __future__ import annotations

import pytest

from tollhouse.metering.count import COUNT_END, Reader, outside_parts
from tollhouse.metering.model import Flag


@pytest.mark.parametrize(
    ("value", "count", "flags"),
    [
        (0, 0, []),
        (7, 7, []),
        (7.0, 7, []),
        (None, None, []),
        (COUNT_END - 1, COUNT_END - 1, []),
        (COUNT_END, None, [Flag.INVALID.value]),
        (-1, None, [Flag.INVALID.value]),
        (0.5, None, [Flag.INVALID.value]),
        (True, None, [Flag.INVALID.value]),
        ("7", None, [Flag.INVALID.value]),
    ],
)
def test_a_count_is_a_whole_number_within_bounds(value: object, count: int | None, flags: list[str]) -> None:
    """Anything else is flagged and taken as not reported."""
    reader = Reader({"n": value})
    assert (reader.count("n"), reader.flags) == (count, flags)


@pytest.mark.parametrize(
    ("gap", "outside"),
    [(0, set()), (5, {"reasoning"}), (7, {"cached"}), (12, {"reasoning", "cached"}), (6, None), (-5, None)],
)
def test_the_identity_tells_which_parts_are_outside(gap: int, outside: set[str] | None) -> None:
    """The parts that fill the gap to the total were left out of the sides."""
    assert outside_parts(gap, {"reasoning": 5, "cached": 7, "audio": 0}) == outside


def test_the_fewest_parts_are_taken() -> None:
    """One part that fits goes before two that fit."""
    assert outside_parts(7, {"a": 3, "b": 4, "c": 7}) == {"c"}
