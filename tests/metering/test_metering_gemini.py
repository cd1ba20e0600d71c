"""Gemini-shaped usage: what is outside the candidates, modalities, and their cached parts."""

from __future__ import annotations

import pytest

from tollhouse.metering.gemini import split_gemini
from tollhouse.metering.model import Flag


def rows(**counts: int) -> list[dict[str, object]]:
    """Tokens by modality as Gemini lists them."""
    return [{"modality": modality, "tokenCount": count} for modality, count in counts.items()]


@pytest.mark.parametrize(
    ("total", "into", "out", "flags"),
    [
        (None, 12, 25, ()),
        (37, 12, 25, ()),
        (32, 12, 20, ()),
        (35, 10, 25, ()),
        (99, 12, 25, (Flag.INCONSISTENT.value,)),
    ],
)
def test_the_total_tells_what_is_outside(total: int | None, into: int, out: int, flags: tuple[str, ...]) -> None:
    """Given a prompt of 10, 2 of tools, 20 candidates and 5 thoughts, when split, then the total tells the rest."""
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 2,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "totalTokenCount": total,
    }
    split = split_gemini(usage, {})
    assert (split.input_tokens, split.output_tokens, split.reasoning, split.flags) == (into, out, 5, flags)


def test_an_absent_count_is_zero() -> None:
    """Given nothing but a traffic type, when split, then both sides are known to be nothing."""
    split = split_gemini({"trafficType": "ON_DEMAND"}, {})
    assert (split.units, split.input_tokens, split.output_tokens) == ({}, 0, 0)


def test_the_cached_part_of_each_modality_has_its_own_rate() -> None:
    """Given cached audio and text, when split, then they are taken off their modality, and nothing counts twice."""
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "promptTokensDetails": rows(TEXT=60, AUDIO=40),
        "cacheTokensDetails": rows(TEXT=30, AUDIO=30),
        "candidatesTokenCount": 1,
    }
    split = split_gemini(usage, {})
    assert split.units == {"input": 30, "audio_in": 10, "read": 30, "audio_read": 30, "output": 1}
    assert (split.read, split.input_tokens) == (60, 100)


def test_cached_tokens_beyond_the_prompt_are_flagged_and_billed() -> None:
    """Given more cached than prompt, when split, then it is taken to be outside, and flagged."""
    split = split_gemini({"promptTokenCount": 3, "cachedContentTokenCount": 9}, {})
    assert (split.units, split.input_tokens, split.flags) == ({"input": 3, "read": 9}, 12, (Flag.INCONSISTENT.value,))


def test_modalities_of_tools_are_input_too() -> None:
    """Given an image that a tool brought, when split, then it is booked beside those of the prompt."""
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 8,
        "promptTokensDetails": rows(TEXT=6, IMAGE=4),
        "toolUsePromptTokensDetails": rows(IMAGE=5, DOCUMENT=1),
    }
    assert split_gemini(usage, {}).units == {"input": 8, "image_in": 9, "document_in": 1}


def test_modalities_never_pass_their_side() -> None:
    """Given details larger than what they detail, when split, then the side is what it was; output is flagged."""
    usage = {"promptTokenCount": 3, "promptTokensDetails": rows(AUDIO=9)}
    assert split_gemini(usage, {}).units == {"audio_in": 3}
    usage = {"candidatesTokenCount": 3, "responseTokensDetails": rows(AUDIO=2, IMAGE=9)}
    split = split_gemini(usage, {})
    assert (split.units, split.flags) == ({"audio_out": 2, "image_out": 1}, (Flag.INCONSISTENT.value,))


def test_a_modality_of_tomorrow_is_text_and_odd_rows_are_passed_over() -> None:
    """Given rows of unknown kind or shape, when split, then what they count stays with the text."""
    usage = {
        "promptTokenCount": 9,
        "promptTokensDetails": [*rows(SMELL=4), {"tokenCount": 2}, "x", {"modality": "VIDEO"}, *rows(AUDIO=-1)],
    }
    split = split_gemini(usage, {})
    assert (split.units, split.flags) == ({"input": 9}, (Flag.INVALID.value,))
