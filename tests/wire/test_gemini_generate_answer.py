"""Gemini answers: when one has ended, and pieces of shapes that nobody documents."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.gemini_generate_answer import GenerateObserver


def observed(*pieces: object) -> Reported:
    """What is reported of a stream of these pieces; none of them is ever claimed."""
    observer = GenerateObserver(1)
    for piece in pieces:
        assert observer.event(json.dumps(piece).encode(), b"") is False
    observer.end()
    return observer.reported


@pytest.mark.parametrize(
    ("piece", "finished"),
    [
        ({}, False),
        ({"candidates": []}, False),
        ({"candidates": [{"finishReason": ""}]}, False),
        ({"candidates": [{"finishReason": "STOP"}]}, True),
        ({"candidates": [{}, {"finishReason": "MAX_TOKENS"}]}, True),
        ({"promptFeedback": {}}, False),
        ({"promptFeedback": {"blockReason": "OTHER"}}, True),
        ({"promptFeedback": {"blockReason": "OTHER"}, "modelVersion": 7}, True),
        ({"candidates": [{"finishReason": "STOP", "content": 7}]}, True),
        ({"candidates": ["x", {"finishReason": None}], "promptFeedback": "x"}, False),
    ],
)
def test_a_reason_ends_an_answer(piece: object, finished: bool) -> None:
    """Given a piece with or without a reason to end, in any shape, when the body ends, then that tells."""
    assert observed(piece).finished is finished


def test_one_piece_is_an_end_unless_it_cannot_be_read() -> None:
    """Given an answer in one piece without any reason, when read, then it is complete; junk is not."""
    for body, finished, flags in ((b"{}", True, ()), (b"7", False, ("answer_unreadable",))):
        observer = GenerateObserver(1)
        observer.whole(body)
        observer.end()
        assert (observer.reported.finished, observer.reported.flags) == (finished, flags)


def test_a_piece_of_an_odd_shape_gives_what_it_has() -> None:
    """Given a piece whose types are not the documented ones, when observed, then nothing that can be had is lost."""
    odd = {
        "responseId": 7,
        "modelVersion": "gemini-x",
        "usageMetadata": {"promptTokenCount": 3, "serviceTier": "flex"},
        "candidates": [{"content": {"parts": [{"text": "hé"}, "x", {"functionCall": {"args": "ab"}}]}}, 7],
    }
    reported = observed(odd)
    assert (reported.model, reported.response_id, reported.service_tier) == ("gemini-x", None, "flex")
    assert (reported.usage, reported.output_bytes) == ({"promptTokenCount": 3, "serviceTier": "flex"}, 5)
    assert observed({"usageMetadata": [1], "candidates": "x"}).usage is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"status": "NOT_FOUND", "code": 404}, "NOT_FOUND"),
        ({"code": 404}, "404"),
        ({"status": "some words", "code": 404}, "404"),
        ("words", "unknown"),
        ({}, "unknown"),
        (None, None),
    ],
)
def test_errors_have_their_status_or_their_number(error: object, code: str | None) -> None:
    """Given an error of each shape, when observed, then its status is its code, else its number, else none is known."""
    assert observed({"error": error}).error_code == code


def test_text_goes_before_what_else_a_part_has() -> None:
    """Given parts of each kind, when measured, then text counts alone, else calls and code do; results do not."""
    parts = [
        {"text": "ab", "functionCall": {"name": "not counted"}},
        {"executableCode": {"language": "p", "code": "1+1"}},
        {"codeExecutionResult": {"output": "not counted"}},
        {"text": ""},
    ]
    assert observed({"candidates": [{"content": {"parts": parts}}, {"content": None}]}).output_bytes == 2 + 1 + 3


def test_the_first_usage_is_kept_where_a_later_one_differs() -> None:
    """Given usage that repeats and then grows, when observed, then first and last are known, and the same once."""
    one, two = {"usageMetadata": {"promptTokenCount": 1}}, {"usageMetadata": {"promptTokenCount": 2}}
    assert observed(one, one).usage_first is None
    grown = observed(one, one, two, {"usageMetadata": None})
    assert (grown.usage, grown.usage_first) == ({"promptTokenCount": 2}, {"promptTokenCount": 1})


def test_a_count_too_large_is_cut_and_noted() -> None:
    """Given a number that counts nothing, when observed, then it is gone, and that is told once."""
    reported = observed(*[{"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 10**20}}] * 2)
    assert (reported.usage, reported.flags) == ({"promptTokenCount": 1}, ("usage_cut",))
