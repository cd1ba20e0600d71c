"""OpenAI Embeddings requests: text or numbers in the body, or else."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.openai_embeddings import read_request
from tollhouse.wire.paths import match


def call_of(fields: dict[str, object]) -> Call:
    """The call of a body that is fine."""
    route = match("POST", "/v1/embeddings", ())
    assert isinstance(route, Route)
    call = read_request(route, json.dumps({"model": "m", **fields}).encode())
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("given", "referenced"),
    [
        ("text with { a brace", False),
        (["text", "and [{ more"], False),
        ([1, 2, 3], False),
        ([[1, 2], [3]], False),
        ([], False),
        (None, False),
        ([{"image": "x"}], True),
        (["text first", {"image": "x"}], True),
        ([["x", {"image": "x"}]], True),
        ({"image": "x"}, True),
        ({"content": [{"type": "image_url"}]}, True),
    ],
)
def test_objects_anywhere_in_the_input_are_referenced(given: object, referenced: bool) -> None:
    """Given text, token numbers, or objects in any place, when read, then only objects are not bounded by bytes."""
    assert call_of({"input": given}).referenced is referenced


def test_no_input_at_all_is_the_providers_to_refuse() -> None:
    """Given a body without input, when read, then it is a call like any other."""
    call = call_of({})
    assert (call.referenced, call.unbounded, call.max_output_tokens) == (False, False, 0)


def test_embeddings_generate_and_stream_nothing() -> None:
    """Given fields of a generation, when read, then they are unknown here, and still no output is expected."""
    call = call_of({"input": "x", "stream": True, "max_tokens": 7})
    assert (call.stream, call.max_output_tokens, call.unbounded) == (False, 0, True)
