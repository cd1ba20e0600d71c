"""Gemini requests: two spellings of every field, and parts that are more than text."""

from __future__ import annotations

import json

import pytest

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route
from tollhouse.wire.dialects.gemini_generate import read_request
from tollhouse.wire.paths import match


def call_of(fields: dict[str, object]) -> Call:
    """The call of a body that is fine."""
    route = match("POST", "/v1beta/models/gemini-x:generateContent", ())
    assert isinstance(route, Route)
    call = read_request(route, json.dumps(fields).encode())
    assert isinstance(call, Call), call
    return call


def parts(*given: object) -> dict[str, object]:
    """A body of one content with these parts."""
    return {"contents": [{"role": "user", "parts": list(given)}]}


@pytest.mark.parametrize(
    ("config", "limit", "choices"),
    [
        ({}, None, 1),
        ({"generationConfig": None, "generation_config": None}, None, 1),
        ({"generationConfig": {"max_output_tokens": 5, "candidate_count": 2}}, 5, 2),
        ({"generation_config": {"maxOutputTokens": 5, "candidateCount": 3}}, 5, 3),
        ({"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 9}}, 9, 1),
        ({"generationConfig": {"maxOutputTokens": 0}}, 0, 1),
        (
            {"generationConfig": {"candidateCount": 2}, "generation_config": {"candidate_count": 4}},
            None,
            4,
        ),
    ],
)
def test_of_two_spellings_the_larger_limit_counts(config: dict[str, object], limit: int | None, choices: int) -> None:
    """Given a limit in either spelling or in both, when read, then no larger answer than this can come."""
    call = call_of(config)
    assert (call.max_output_tokens, call.choices) == (limit, choices)


@pytest.mark.parametrize(
    ("body", "referenced"),
    [
        ({"contents": None}, False),
        ({"contents": "text"}, False),
        ({"contents": []}, False),
        ({"contents": [{}]}, False),
        ({"contents": {"parts": {"text": "x"}}}, False),
        (parts("bare", {"text": "x", "thought": True}, {"function_response": {}}), False),
        (parts({"text": "x"}, {"inlineData": {}}), True),
        (parts({"text": "x", "videoMetadata": {}}), True),
        ({"contents": [{"parts": 7}]}, True),
        ({"contents": ["bare"]}, True),
        ({"systemInstruction": {"parts": [{"fileData": {}}]}}, True),
        ({"system_instruction": {"parts": [{"file_data": {}}]}}, True),
        ({"systemInstruction": "text"}, False),
        ({"cachedContent": None, "cached_content": None}, False),
        ({"cachedContent": ""}, True),
    ],
)
def test_only_text_and_calls_of_functions_are_bounded(body: dict[str, object], referenced: bool) -> None:
    """Given parts of each kind and in each shape that protobuf JSON allows, when read, then media are referenced."""
    assert call_of(body).referenced is referenced


@pytest.mark.parametrize(
    ("tools", "unbounded"),
    [
        (None, False),
        ([], False),
        ([{}], False),
        ([{"functionDeclarations": []}, {"function_declarations": []}], False),
        ([{"functionDeclarations": [], "googleSearch": {}}], True),
        ([{"url_context": {}}], True),
    ],
)
def test_tools_of_google_have_no_ceiling(tools: object, unbounded: bool) -> None:
    """Given tools, when one entry has anything but declarations of functions, then nothing bounds the call."""
    assert call_of({"tools": tools}).unbounded is unbounded


def test_the_model_is_the_paths() -> None:
    """Given a model in the body too, when read, then the path's counts; without one in the path it is refused."""
    assert call_of({"model": "models/other"}).model == "gemini-x"
    nameless = Route(
        family=Family.GEMINI,
        dialect=Dialect.GEMINI_GENERATE,
        operation=Operation.GENERATE_CONTENT,
        provider=None,
        upstream_path="/",
    )
    assert isinstance(read_request(nameless, b'{"model":"m"}'), Refusal)
