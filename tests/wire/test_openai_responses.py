"""OpenAI Responses requests: input that is elsewhere, and tools that OpenAI runs."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.openai_responses import read_request
from tollhouse.wire.paths import match


def call_of(fields: dict[str, object]) -> Call:
    """The call of a body that is fine."""
    route = match("POST", "/v1/responses", ())
    assert isinstance(route, Route)
    call = read_request(route, json.dumps({"model": "m", **fields}).encode())
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("fields", "referenced"),
    [
        ({}, False),
        ({"input": []}, False),
        ({"input": None}, False),
        ({"conversation": None, "prompt": None, "previous_response_id": None}, False),
        ({"previous_response_id": ""}, True),
        ({"conversation": "conv_1"}, True),
        ({"prompt": {}}, True),
        ({"input": [{"role": "user", "content": "no type is a message"}]}, False),
        ({"input": [{"type": "message", "content": [{"type": "refusal"}]}, {"type": "reasoning"}]}, False),
        ({"input": [{"type": "custom_tool_call_output", "output": [{"type": "input_image"}]}]}, True),
        ({"input": [{"type": "message", "content": {"type": "input_image"}}]}, True),
        ({"input": [{"type": "computer_call_output"}]}, True),
        ({"input": [{"type": ""}]}, True),
    ],
)
def test_what_is_not_in_the_body_as_text_is_referenced(fields: dict[str, object], referenced: bool) -> None:
    """Given input here, elsewhere, or of another kind, when read, then only text here is bounded by its bytes."""
    call = call_of(fields)
    assert (call.referenced, call.unbounded) == (referenced, False)


@pytest.mark.parametrize(
    ("tools", "unbounded"),
    [
        (None, False),
        ([], False),
        ([{"type": "function"}, {"type": "custom"}], False),
        ([{"type": "function"}, {"type": "mcp"}], True),
        ([{"name": "without type"}], True),
    ],
)
def test_tools_of_openai_itself_have_no_ceiling(tools: object, unbounded: bool) -> None:
    """Given tools, when one is not the client's own, then nothing bounds the call."""
    assert call_of({"tools": tools}).unbounded is unbounded


def test_a_stream_needs_not_be_asked_for_its_usage() -> None:
    """Given a stream with options, when read, then its usage counts as asked for, and there is one choice."""
    call = call_of({"stream": True, "stream_options": {"include_obfuscation": False}, "n": None})
    assert (call.stream, call.asked_usage, call.choices) == (True, True, 1)
