"""OpenAI Embeddings answers: usage and model of one piece."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.openai_embeddings_answer import EmbeddingsObserver


def whole(body: object) -> Reported:
    """What is reported of an answer."""
    observer = EmbeddingsObserver()
    observer.whole(body if isinstance(body, bytes) else json.dumps(body).encode())
    observer.end()
    return observer.reported


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"model":"\\ud800"}', b"\xff"])
def test_what_is_no_answer_is_noted(body: bytes) -> None:
    """Given bytes that are no object, when read, then that is noted, and the answer is not finished."""
    assert (whole(body).flags, whole(body).finished) == (("answer_unreadable",), False)


@pytest.mark.parametrize(
    ("error", "code"),
    [({"code": None, "type": "t"}, "t"), ({}, "unknown"), ("words of it", "unknown"), (503, "503"), (None, None)],
)
def test_errors_of_each_shape_have_a_code(error: object, code: str | None) -> None:
    """Given an error as an object, words, a number or null, when read, then its code is known, or that it has none."""
    assert whole({"error": error}).error_code == code


def test_usage_is_bounded_and_may_be_missing() -> None:
    """Given usage absent, of a wrong type, or with too large a number, when read, then what counts stays."""
    assert whole({}).usage is None
    assert whole({"usage": "x"}).usage is None
    cut = whole({"usage": {"prompt_tokens": 1, "total_tokens": 10**30}, "model": 7})
    assert (cut.usage, cut.model, cut.flags) == ({"prompt_tokens": 1}, None, ("usage_cut",))


def test_an_event_is_counted_and_not_read() -> None:
    """Given an event, which embeddings do not have, when observed, then it is counted, and never claimed."""
    observer = EmbeddingsObserver()
    assert observer.event(b'{"usage":{"prompt_tokens":1}}', b"") is False
    assert (observer.reported.events, observer.reported.usage) == (1, None)
