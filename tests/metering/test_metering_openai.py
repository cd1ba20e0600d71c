"""OpenAI-shaped usage: names of compatibles, the identity with the total, and parts larger than their whole."""

from __future__ import annotations

import pytest

from tollhouse.metering.model import Flag
from tollhouse.metering.openai import split_chat, split_plain_chat, split_responses


@pytest.mark.parametrize(
    ("usage", "units"),
    [
        (
            {"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3, "completion_tokens": 2},
            {"input": 3, "read": 7},
        ),
        ({"completion_tokens": 2, "total_tokens": 12}, {"input": 10}),
        ({"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 4}, {"input": 6, "read": 4}),
        ({"prompt_tokens": 10, "completion_tokens": 2, "cache_write_tokens": 4}, {"input": 6, "write": 4}),
        (
            {"prompt_tokens": 10, "completion_tokens": 2, "input_tokens_details": {"cached_tokens": 4}},
            {"input": 6, "read": 4},
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cache_creation_tokens": 4}},
            {"input": 6, "write": 4},
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 2, "tool_use_prompt_tokens": 5, "total_tokens": 17},
            {"input": 15},
        ),
    ],
)
def test_the_input_is_found_under_the_names_of_compatibles(usage: dict[str, object], units: dict[str, int]) -> None:
    """Given the same counts under other names, when split, then they are the same units, unflagged."""
    split = split_chat(usage, {})
    assert (split.units, split.flags) == ({**units, "output": 2}, ())


def test_an_output_that_only_the_total_tells_is_known() -> None:
    """Given a total and no completion, when split, then the rest is output; a total below the prompt tells nothing."""
    assert split_chat({"prompt_tokens": 4, "total_tokens": 9}, {}).units == {"input": 4, "output": 5}
    assert split_chat({"prompt_tokens": 4, "total_tokens": 4}, {}).output_tokens == 0
    assert split_chat({"prompt_tokens": 4, "total_tokens": 3}, {}).output_tokens is None


def test_writes_of_an_anthropic_translation_count_once() -> None:
    """Given the same writes under OpenAI's and Anthropic's name, when split, then they are split by their time."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cache_write_tokens": 30},
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_1h_input_tokens": 10},
    }
    split = split_chat(usage, {})
    assert split.units == {"input": 70, "write_5m": 20, "write_1h": 10, "output": 1}
    assert (split.write, split.flags) == (30, ())


@pytest.mark.parametrize(
    ("usage", "units"),
    [
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            {"input": 3, "read": 9, "output": 1},
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 9}},
            {"input": 3, "output": 10},
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"audio_tokens": 9}},
            {"audio_in": 3, "output": 1},
        ),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "completion_tokens_details": {"audio_tokens": 1, "image_tokens": 9},
            },
            {"input": 3, "audio_out": 1, "image_out": 1},
        ),
    ],
)
def test_a_part_larger_than_its_whole_is_flagged(usage: dict[str, object], units: dict[str, int]) -> None:
    """Given a part that cannot be inside, when split, then it is booked where it can be, and flagged."""
    split = split_chat(usage, {})
    assert (split.units, split.flags) == (units, (Flag.INCONSISTENT.value,))


def test_reasoning_of_zero_is_known_and_none_is_not() -> None:
    """Given reasoning that is told as zero, or not told, when split, then the two differ."""
    told = {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}}
    assert split_responses(told, {}).reasoning == 0
    assert split_responses({"input_tokens": 1, "output_tokens": 1}, {}).reasoning is None


def test_details_of_a_wrong_type_are_no_details() -> None:
    """Given details that are no object, when split, then all of the side is text."""
    usage = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": [3], "output_tokens_details": "x"}
    assert split_responses(usage, {}).units == {"input": 5, "output": 2}


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 8},
        {"prompt_tokens": 5, "total_tokens": 5},
        {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}},
        {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1, "prompt_tokens_details": {"image_tokens": 1}},
        {
            "prompt_tokens": 1,
            "completion_tokens": 1,
            "total_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    ],
)
def test_what_needs_thought_is_left_to_the_whole_rule(usage: dict[str, object]) -> None:
    """Given plain usage that does not add up, or with modalities, when split the short way, then it is left."""
    assert split_plain_chat(usage) is None
