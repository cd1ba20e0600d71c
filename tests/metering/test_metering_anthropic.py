"""Anthropic-shaped usage: writes by their time, stale breakdowns, and turns beside the totals."""

from __future__ import annotations

import pytest

from tollhouse.metering.anthropic import split_anthropic
from tollhouse.metering.model import Flag


@pytest.mark.parametrize(
    ("total", "short", "long", "units"),
    [
        (None, 3, 4, {"write_5m": 3, "write_1h": 4}),
        (7, 3, 4, {"write_5m": 3, "write_1h": 4}),
        (9, 3, 4, {"write_5m": 5, "write_1h": 4}),
        (2, 3, 4, {"write_1h": 2}),
        (0, 3, 4, {}),
        (9, None, None, {"write_5m": 9}),
        (9, 9, None, {"write_5m": 9}),
    ],
)
def test_writes_add_up_to_their_total(
    total: int | None, short: int | None, long: int | None, units: dict[str, int]
) -> None:
    """Given a total and a breakdown that fit, or do not, when split, then the total is priced, and no more."""
    usage = {
        "output_tokens": 1,
        "cache_creation_input_tokens": total,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
    }
    split = split_anthropic(usage, {})
    assert split.units == {**units, "output": 1}
    assert split.write == sum(units.values())


def test_an_input_of_nothing_but_cache_is_known() -> None:
    """Given cached tokens without `input_tokens`, when split, then the input is known; without either it is not."""
    assert split_anthropic({"cache_read_input_tokens": 8, "output_tokens": 1}, {}).input_tokens == 8
    assert split_anthropic({"cache_read_input_tokens": 0, "output_tokens": 1}, {}).input_tokens is None
    assert split_anthropic({"input_tokens": 0, "output_tokens": 1}, {}).input_tokens == 0


def test_the_end_wins_over_the_start_and_nulls_say_nothing() -> None:
    """Given both ends of a stream, when split, then what the last repeats counts, and the rest is the first's."""
    first = {"input_tokens": 5, "cache_creation_input_tokens": 9, "output_tokens": 1}
    last = {"input_tokens": 6, "cache_creation_input_tokens": None, "output_tokens": 4}
    assert split_anthropic(last, {}, first).units == {"input": 6, "write_5m": 9, "output": 4}


def test_a_breakdown_of_the_start_is_stale_when_the_end_has_another_total() -> None:
    """Given a larger total at the end, when split, then what the start's breakdown leaves out is still priced."""
    first = {
        "input_tokens": 5,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
    }
    last = {"cache_creation_input_tokens": 25, "output_tokens": 1}
    assert split_anthropic(last, {}, first).units == {"input": 5, "write_5m": 19, "write_1h": 6, "output": 1}


def test_zeros_at_both_ends_are_zeros() -> None:
    """Given no input at the start either, when the end says zero, then it is zero."""
    split = split_anthropic({"input_tokens": 0, "output_tokens": 2}, {}, {"input_tokens": 0})
    assert (split.input_tokens, split.units) == (0, {"output": 2})


def test_turns_of_a_compaction_are_added() -> None:
    """Given turns beside the totals, when split, then those of a compaction are billed too; plain turns are inside."""
    compaction = {
        "type": "compaction",
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 5,
        "cache_creation": {"ephemeral_1h_input_tokens": 4},
    }
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "iterations": [compaction, {"type": "message", "input_tokens": 99, "output_tokens": 99}, "x", {"type": None}],
    }
    split = split_anthropic(usage, {})
    assert split.units == {"input": 11, "read": 3, "write_5m": 1, "write_1h": 4, "output": 22}
    assert (split.input_tokens, split.output_tokens, split.flags) == (19, 22, ())


def test_a_count_that_is_none_is_flagged_wherever_it_stands() -> None:
    """Given a count in a breakdown that counts nothing, when split, then it is flagged and the total is priced."""
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_creation_input_tokens": 4,
        "cache_creation": {"ephemeral_1h_input_tokens": -4},
    }
    split = split_anthropic(usage, {})
    assert (split.units, split.flags) == ({"input": 1, "write_5m": 4, "output": 1}, (Flag.INVALID.value,))
