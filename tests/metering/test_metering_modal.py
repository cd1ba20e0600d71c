"""Usage of images, transcriptions and realtime: each modality apart, seconds where there are no tokens."""

from __future__ import annotations

import pytest

from tollhouse.metering.count import COUNT_END
from tollhouse.metering.modal import split_images, split_realtime, split_transcription
from tollhouse.metering.model import Flag


@pytest.mark.parametrize(
    ("seconds", "fees", "flags"),
    [
        (0, {}, ()),
        (3, {"audio_second": 3}, ()),
        (3.0, {"audio_second": 3}, ()),
        (3.01, {"audio_second": 4}, ()),
        (COUNT_END, {}, (Flag.INVALID.value,)),
        (10**400, {}, (Flag.INVALID.value,)),
        (-1, {}, (Flag.INVALID.value,)),
        (float("nan"), {}, (Flag.INVALID.value,)),
        (float("inf"), {}, (Flag.INVALID.value,)),
        (True, {}, (Flag.INVALID.value,)),
        ("3", {}, (Flag.INVALID.value,)),
        (None, {}, (Flag.INVALID.value,)),
    ],
)
def test_begun_seconds_are_whole_ones(seconds: object, fees: dict[str, int], flags: tuple[str, ...]) -> None:
    """Given a duration of each kind, when split, then it is rounded up, and what is none is flagged, not billed."""
    split = split_transcription({"type": "duration", "seconds": seconds}, {})
    assert (split.fees, split.flags, split.input_tokens, split.output_tokens) == (fees, flags, 0, 0)


def test_tokens_go_before_seconds() -> None:
    """Given both, when split, then the tokens are billed and the seconds are not."""
    usage = {"input_tokens": 10, "input_token_details": {"audio_tokens": 8}, "output_tokens": 4, "seconds": 99}
    split = split_transcription(usage, {})
    assert (split.units, split.fees) == ({"text_in": 2, "audio_in": 8, "text_out": 4}, {})


@pytest.mark.parametrize(
    ("details", "units"),
    [
        (None, {"image_out": 50}),
        ({}, {"image_out": 50}),
        ({"image_tokens": 40, "text_tokens": 10}, {"image_out": 40, "text_out": 10}),
        ({"image_tokens": 50}, {"image_out": 50}),
        ({"text_tokens": 50}, {"text_out": 50}),
        ({"image_tokens": 60}, {"image_out": 50}),
    ],
)
def test_output_of_an_image_without_details_is_image(details: object, units: dict[str, int]) -> None:
    """Given details or none, when split, then all output is image tokens unless they say that some is text."""
    split = split_images({"input_tokens": 0, "output_tokens": 50, "output_tokens_details": details}, {})
    assert split.units == units


def test_cached_parts_of_a_realtime_answer_have_their_own_units() -> None:
    """Given text, audio and images, some of each cached, when split, then every token is in one unit."""
    usage = {
        "input_tokens": 100,
        "output_tokens": 20,
        "input_token_details": {
            "text_tokens": 50,
            "audio_tokens": 40,
            "image_tokens": 10,
            "cached_tokens": 45,
            "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 20, "image_tokens": 5},
        },
        "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
    }
    split = split_realtime(usage, {})
    assert split.units == {
        "text_in": 30,
        "audio_in": 20,
        "image_in": 5,
        "read": 20,
        "audio_read": 20,
        "image_read": 5,
        "text_out": 5,
        "audio_out": 15,
    }
    assert (split.read, split.flags) == (45, ())


def test_cached_tokens_that_nobody_tells_apart_are_text() -> None:
    """Given a count of cached tokens alone, when split, then they are cached text, and nothing is out of line."""
    usage = {"input_tokens": 10, "input_token_details": {"audio_tokens": 8, "cached_tokens": 6}, "output_tokens": 0}
    split = split_realtime(usage, {})
    assert (split.units, split.flags) == ({"audio_in": 4, "read": 6}, ())


def test_more_cached_than_there_is_input_is_held_to_it() -> None:
    """Given a cached count beyond the input, when split, then no more is billed than went in."""
    usage = {"input_tokens": 5, "input_token_details": {"cached_tokens": 9}, "output_tokens": 0}
    assert split_realtime(usage, {}).units == {"read": 5}
