"""OpenAI Chat requests: what asks for usage, what bounds an answer, what is more than text."""

from __future__ import annotations

import json

import pytest

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.openai_chat import read_request
from tollhouse.wire.paths import match


def chat(body: bytes | dict[str, object]) -> Call | Refusal:
    """What reading a chat body gives."""
    route = match("POST", "/v1/chat/completions", ())
    assert isinstance(route, Route)
    return read_request(route, body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode())


def call_of(body: bytes | dict[str, object]) -> Call:
    """The call of a chat body that is fine."""
    call = chat(body)
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": None}, False),
        ({"stream": True, "stream_options": {}}, False),
        ({"stream": True, "stream_options": {"include_usage": None}}, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": False, "stream_options": {"include_usage": False}}, True),
    ],
)
def test_a_stream_tells_its_usage_only_to_who_asked(fields: dict[str, object], asked: bool) -> None:
    """Given each way to ask or not to, when read, then only a stream without a clear yes has not asked."""
    assert call_of(fields).asked_usage is asked


def test_options_with_a_key_twice_are_refused_in_every_spelling() -> None:
    """Given options that two readers would read in two ways, when read, then they are refused, escapes seen through."""
    for options in (
        '{"include_usage":true,"include_usage":true}',
        '{"include_usage":true,"include\\u005fusage":false}',
    ):
        refusal = chat(f'{{"model":"m","stream":true,"stream_options":{options}}}'.encode())
        assert isinstance(refusal, Refusal)
        assert refusal.message == "`stream_options` has the same key twice"


@pytest.mark.parametrize(
    ("message", "referenced"),
    [
        ({"content": None}, False),
        ({"content": []}, False),
        ({}, False),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "refusal", "refusal": "no"}]}, False),
        ({"content": "x", "audio": None}, False),
        ({"content": "x", "audio": {"id": "a"}}, True),
        ({"content": [{"type": "input_audio", "input_audio": {"data": ""}}]}, True),
        ({"content": {"type": "image_url", "image_url": {"url": "x"}}}, True),
        ({"content": ["bare"]}, True),
    ],
)
def test_anything_but_text_is_referenced(message: dict[str, object], referenced: bool) -> None:
    """Given one message among plain ones, when read, then only text and what is not there is bounded by its bytes."""
    assert call_of({"messages": [{"content": "a"}, message, {"content": "b"}]}).referenced is referenced


@pytest.mark.parametrize(
    ("fields", "unbounded"),
    [
        ({"tools": []}, False),
        ({"tools": [{"type": "custom"}, {"type": "function"}]}, False),
        ({"tools": [{"function": {"name": "f"}}]}, True),
        ({"functions": [{"name": "f"}], "function_call": "auto"}, False),
        ({"Web_search_options": {}}, True),
    ],
)
def test_only_tools_that_the_client_runs_are_bounded(fields: dict[str, object], unbounded: bool) -> None:
    """Given tools, when one has no known type, or a field differs in as much as its case, then nothing bounds it."""
    assert call_of(fields).unbounded is unbounded


def test_a_limit_of_zero_is_a_limit() -> None:
    """Given a limit of nothing, when read, then it is not taken for none."""
    assert call_of({"max_tokens": 0}).max_output_tokens == 0
    assert call_of({"max_tokens": None, "max_completion_tokens": 0}).max_output_tokens == 0
    assert call_of({}).max_output_tokens is None
