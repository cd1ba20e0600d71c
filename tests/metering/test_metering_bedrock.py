"""Bedrock Converse usage: whether cached tokens are inside the input, and how long a write lives."""

from __future__ import annotations

import pytest

from tollhouse.metering.bedrock import split_converse
from tollhouse.metering.model import Flag


@pytest.mark.parametrize(
    ("total", "fresh", "flags"),
    [
        (118, 10, ()),
        (None, 10, ()),
        (18, 10, (Flag.INCONSISTENT.value,)),
        (500, 10, (Flag.INCONSISTENT.value,)),
    ],
)
def test_cached_input_is_outside_unless_the_total_says_otherwise(
    total: int | None, fresh: int, flags: tuple[str, ...]
) -> None:
    """Given more cached than fresh input, when split, then it cannot be inside, whatever the total says."""
    usage = {"inputTokens": 10, "cacheReadInputTokens": 100, "outputTokens": 8, "totalTokens": total}
    split = split_converse(usage, {})
    assert (split.units["input"], split.units["read"], split.flags) == (fresh, 100, flags)
    assert split.input_tokens == 110


def test_an_inclusive_input_is_taken_apart() -> None:
    """Given a total without the cached tokens, when split, then they were inside the input."""
    usage = {
        "inputTokens": 100,
        "cacheReadInputTokens": 60,
        "cacheWriteInputTokens": 40,
        "outputTokens": 8,
        "totalTokens": 108,
    }
    split = split_converse(usage, {})
    assert (split.units, split.input_tokens) == ({"read": 60, "write_5m": 40, "output": 8}, 100)


def test_a_total_that_does_not_fit_is_flagged_without_a_cache_too() -> None:
    """Given plain input and output that do not add up, when split, then they are kept and flagged."""
    split = split_converse({"inputTokens": 3, "outputTokens": 2, "totalTokens": 6}, {})
    assert (split.units, split.flags) == ({"input": 3, "output": 2}, (Flag.INCONSISTENT.value,))


@pytest.mark.parametrize(
    ("details", "units"),
    [
        ([{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 6}], {"write_5m": 6, "write_1h": 4}),
        ([{"ttl": "1h", "inputTokens": 4}, {"ttl": "1h", "inputTokens": 5}], {"write_5m": 1, "write_1h": 9}),
        ([{"ttl": "1h", "inputTokens": 99}], {"write_1h": 10}),
        ([{"ttl": "2h", "inputTokens": 4}, "x", {"ttl": "1h"}], {"write_5m": 10}),
        ("x", {"write_5m": 10}),
    ],
)
def test_a_write_without_a_time_lives_five_minutes(details: object, units: dict[str, int]) -> None:
    """Given details that explain all, some, or too much, when split, then all writes are priced once."""
    usage = {"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 10, "cacheDetails": details}
    split = split_converse(usage, {})
    assert split.units == {"input": 1, **units, "output": 1}
    assert split.write == 10


def test_counters_of_streams_have_other_names() -> None:
    """Given the counters that Bedrock adds to other shapes, when split, then they are the same counts."""
    usage = {"inputTokenCount": 3, "outputTokenCount": 2, "cacheReadInputTokenCount": 4, "invocationLatency": 99}
    assert split_converse(usage, {}).units == {"input": 3, "read": 4, "output": 2}


def test_a_side_that_is_not_reported_is_unknown() -> None:
    """Given one side alone, when split, then the other is unknown, not zero."""
    assert split_converse({"outputTokens": 2}, {}).input_tokens is None
    assert split_converse({"inputTokens": 2}, {}).output_tokens is None
