"""Law: the short way through plain chat usage gives what the long way gives, and keeps the object as it is."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.metering.openai import split_chat, split_plain_chat
from tollhouse.metering.raw import numeric_leaves
from tollhouse.wire.usage import COUNT_MAX, bounded_usage, is_plain_chat

EXAMPLES = 2_500

INPUT = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens")
OUTPUT = (
    *("reasoning_tokens", "audio_tokens", "image_tokens", "text_tokens"),
    *("accepted_prediction_tokens", "rejected_prediction_tokens"),
)
ODD = (
    *(0, 1, 2, 3, 5, COUNT_MAX - 1, {}, {}),
    *(None, True, False, 0.0, 3.0, 2.5, float("nan"), -1, COUNT_MAX, 2**70, "3", "", [], [1], {"n": 1}),
)
"""The first ones are not odd everywhere."""
CHOICES = st.binary(min_size=20, max_size=20)
"""A byte for each thing that is chosen: one draw for a whole object keeps thousands of them quick."""


def count(byte: int) -> int:
    """Often nothing or little, so that parts fit into sides; at times as much as can be counted."""
    return byte % 8 if byte < 200 else byte if byte < 250 else COUNT_MAX - 256 + byte


def details(names: tuple[str, ...], chosen: bytes) -> dict[str, object]:
    """Some of the names; a byte each."""
    return {name: count(byte // 2) for name, byte in zip(names, chosen, strict=False) if byte % 2}


def plain_usage(chosen: bytes) -> dict[str, object]:
    """Usage as OpenAI documents it; mostly adding up, and at times not. From the first 15 bytes."""
    prompt, completion = count(chosen[0]), count(chosen[1])
    total = prompt + completion if chosen[2] < 200 else count(chosen[2])
    usage: dict[str, object] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    if chosen[3] % 4:
        usage["prompt_tokens_details"] = details(INPUT, chosen[4:9])
    if chosen[3] // 4 % 4:
        usage["completion_tokens_details"] = details(OUTPUT, chosen[9:15])
    if chosen[3] > 230:
        del usage["completion_tokens"]
    return usage


def nearly_plain_usage(chosen: bytes) -> dict[str, object]:
    """Plain usage in which one member, or one detail, is something else, or is there although it is not known."""
    usage = plain_usage(chosen)
    places = [*usage, "cost", "prompt_tokens_details", "completion_tokens_details"]
    place, odd = places[chosen[15] % len(places)], ODD[chosen[16] % len(ODD)]
    inner = usage.get(place)
    if isinstance(inner, dict):
        names = [*INPUT, *OUTPUT, "later"]
        inner[names[chosen[17] % len(names)]] = odd
    else:
        usage[place] = odd
    return usage


@settings(max_examples=EXAMPLES, deadline=None)
@given(CHOICES)
def test_the_short_way_splits_as_the_long_way_does(chosen: bytes) -> None:
    """Given plain usage, when the short way has an answer, then the long way has the same, its types included."""
    usage = plain_usage(chosen)
    assert is_plain_chat(usage) or usage["total_tokens"] > COUNT_MAX
    short = split_plain_chat(usage) if is_plain_chat(usage) else None
    if short is not None:
        assert short == split_chat(usage, {})
        assert all(type(units) is int for units in [*short.units.values(), short.input_tokens, short.output_tokens])


@settings(max_examples=EXAMPLES, deadline=None)
@given(CHOICES, st.sampled_from([plain_usage, nearly_plain_usage]))
def test_what_is_found_plain_is_kept_as_it_is(chosen: bytes, author: Callable[[bytes], dict[str, object]]) -> None:
    """Given usage with anything in any place, when it is found plain, then nothing of it goes but empty details."""
    usage = author(chosen)
    if is_plain_chat(usage):
        told = {key: value for key, value in usage.items() if value != {}}
        assert bounded_usage(usage) == (told, False)
        assert numeric_leaves(usage) == usage
        members = [
            member for part in usage.values() for member in (part.values() if isinstance(part, dict) else [part])
        ]
        assert all(type(member) is int for member in members)


@settings(max_examples=EXAMPLES, deadline=None)
@given(CHOICES)
def test_what_is_found_plain_can_be_split_the_short_way(chosen: bytes) -> None:
    """Given usage with anything in any place, when it is found plain, then the short way never raises and agrees."""
    usage = nearly_plain_usage(chosen)
    if is_plain_chat(usage):
        assert split_plain_chat(usage) in (None, split_chat(usage, {}))


def test_the_authors_write_what_the_laws_are_about() -> None:
    """Control: of objects at random, many are plain and take the short way, and many nearly plain ones are not."""
    rng = random.Random(7)
    chosen = [rng.randbytes(20) for _ in range(1000)]
    plain = [usage for usage in map(plain_usage, chosen) if is_plain_chat(usage)]
    assert sum(split_plain_chat(usage) is not None for usage in plain) > 50
    assert sum(split_plain_chat(usage) is None for usage in plain) > 50
    assert 50 < sum(is_plain_chat(nearly_plain_usage(each)) for each in chosen) < 950
