"""What each dialect's request reader finds in a body, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects import read_request
from tollhouse.wire.paths import match

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
MESSAGES = "/v1/messages"
GEMINI = "/v1beta/models/gemini-x:generateContent"
TALK = {"messages": [{"role": "user", "content": "hi"}]}


def route_of(path: str, method: str = "POST") -> Route:
    """The route of a path that is served."""
    route = match(method, path, ())
    assert isinstance(route, Route), route
    return route


def call_of(path: str, body: object) -> Call:
    """The call of a body that is fine."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = read_request(route_of(path), text)
    assert isinstance(call, Call), call
    assert call.body is text
    return call


def refused(path: str, body: object) -> str:
    """The message of a body's refusal."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    refusal = read_request(route_of(path), text)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.code is RefusalCode.BAD_REQUEST
    return refusal.message


@pytest.mark.parametrize(
    ("path", "fields", "limit", "choices", "stream"),
    [
        (CHAT, {"max_tokens": 7}, 7, 1, False),
        (CHAT, {"max_completion_tokens": 9, "max_tokens": 7, "n": 3, "stream": True}, 9, 3, True),
        (CHAT, {"max_tokens": None, "n": None, "stream": None}, None, 1, False),
        (RESPONSES, {"max_output_tokens": 5, "stream": True}, 5, 1, True),
        (MESSAGES, {"max_tokens": 1024, "stream": False}, 1024, 1, False),
        (EMBEDDINGS, {"input": "hi"}, 0, 1, False),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 8, "candidateCount": 2}}, 8, 2, False),
        (
            GEMINI,
            {"generation_config": {"max_output_tokens": 8}, "generationConfig": {"maxOutputTokens": 3}},
            8,
            1,
            False,
        ),
        (GEMINI.replace("generate", "streamGenerate"), {"contents": []}, None, 1, True),
    ],
)
def test_limits_and_choices(
    path: str, fields: dict[str, object], limit: int | None, choices: int, stream: bool
) -> None:
    """Given the fields that bound an answer, when read, then the call says what at most may come."""
    call = call_of(path, {"model": "gemini-x", **fields})
    assert (call.model, call.max_output_tokens, call.choices, call.stream) == ("gemini-x", limit, choices, stream)
    assert not call.unbounded


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]}),
        (
            CHAT,
            {"messages": [{"content": [{"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": "f"}}]}]},
        ),
        (CHAT, b'{"model":"m","messages":[{"content":[{"ty\\u0070e":"input_audio"}]}]}'),
        (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}),
        (RESPONSES, {"previous_response_id": "resp_1"}),
        (RESPONSES, {"conversation": {"id": "c"}}),
        (RESPONSES, {"prompt": {"id": "p"}}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
        (RESPONSES, {"input": [{"type": "function_call_output", "output": [{"type": "input_file"}]}]}),
        (MESSAGES, {"messages": [{"content": [{"type": "image", "source": {"type": "url"}}]}]}),
        (MESSAGES, {"messages": [{"content": [{"type": "tool_result", "content": [{"type": "document"}]}]}]}),
        (MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]}),
        (GEMINI, {"contents": [{"parts": [{"fileData": {"fileUri": "x"}}]}]}),
        (GEMINI, {"contents": {"parts": {"inline_data": {}}}}),
        (GEMINI, {"cachedContent": "cachedContents/1"}),
        (GEMINI, {"cached_content": "cachedContents/1"}),
        (EMBEDDINGS, {"input": [{"image": "x"}]}),
    ],
)
def test_input_that_bytes_do_not_bound_is_referenced(path: str, body: object) -> None:
    """Given input elsewhere, or media, when read, then the call is referenced, and not unbounded."""
    call = call_of(path, {"model": "m", **body} if isinstance(body, dict) else body)
    assert (call.referenced, call.unbounded) == (True, False)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"web_search_options": {}}),
        (CHAT, {"search_parameters": {"mode": "on"}}),
        (CHAT, {"plugins": [{"id": "web"}]}),
        (CHAT, {"tools": [{"type": "function"}, {"type": "browser_search"}]}),
        (CHAT, {"a_field_of_tomorrow": 1}),
        (RESPONSES, {"tools": [{"type": "web_search"}]}),
        (RESPONSES, {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
        (RESPONSES, {"tools": [{"type": "file_search"}]}),
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]}),
        (MESSAGES, {"tools": [{"type": "code_execution_20250825"}]}),
        (MESSAGES, {"mcp_servers": [{"url": "https://x"}]}),
        (MESSAGES, {"context_management": {}}),
        (GEMINI, {"tools": [{"googleSearch": {}}]}),
        (GEMINI, {"tools": [{"functionDeclarations": []}, {"codeExecution": {}}]}),
        ("/providers/x/v1/anything", b"\x00not json"),
    ],
)
def test_server_tools_and_unknown_fields_are_unbounded(path: str, body: object) -> None:
    """Given what may cost without bound, or what we do not know, when read, then the call says so."""
    assert call_of(path, {"model": "m", **body} if isinstance(body, dict) else body).unbounded


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "image_url"}]}], "tools": None}),
        (
            CHAT,
            {"messages": [{"role": "user", "content": 'a "image_url" of "web_search"'}], "web_search_options": None},
        ),
        (CHAT, {"tools": [{"type": "function", "function": {"name": "web_search"}}]}),
        (RESPONSES, {"input": "hi", "previous_response_id": None, "tools": [{"type": "function", "name": "f"}]}),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]}),
        (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": "7"}]}),
        (MESSAGES, {"messages": [{"content": [{"type": "tool_result", "content": "x"}]}], "tools": [{"name": "f"}]}),
        (
            GEMINI,
            {"contents": [{"parts": [{"text": "x"}, {"functionCall": {}}]}], "tools": [{"functionDeclarations": []}]},
        ),
        (EMBEDDINGS, {"input": [[1, 2], [3]]}),
    ],
)
def test_plain_calls_are_neither(path: str, body: dict[str, object]) -> None:
    """Given text and tools of the client's own, when read, then the call's input is bounded by its bytes."""
    call = call_of(path, {"model": "m", **body})
    assert (call.referenced, call.unbounded) == (False, False)


def test_metadata_keeps_bounded_strings() -> None:
    """Given metadata of all kinds, when read, then only strings stay, bounded in number and length."""
    metadata = {"team": "ml", "count": 3, "long": "x" * 600, **{f"k{i}": "v" for i in range(30)}}
    call = call_of(CHAT, {"model": "m", "metadata": metadata})
    assert call.metadata["team"] == "ml"
    assert len(call.metadata) == 16
    assert {"count", "long"}.isdisjoint(call.metadata)
    assert call_of(MESSAGES, {"model": "m", "metadata": {"user_id": "u"}}).metadata == {"user_id": "u"}


@pytest.mark.parametrize("path", [CHAT, RESPONSES, EMBEDDINGS, MESSAGES, "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b'{"model":"m"', "cut short"),
        (b"[]", "JSON object"),
        (b'{"model":"m","model":"n"}', "same key twice"),
        (b'{"model":"m","x":NaN}', "not valid JSON"),
        (b'{"model":"m","x":' + b"[" * 80 + b"]" * 80 + b"}", "nested deeper"),
        (b"{}", "`model` is missing"),
        (b'{"model":null}', "`model` is missing"),
        (b'{"model":7}', "`model` has the wrong type"),
        (b'{"model":"a b"}', "not a model's name"),
        (b'{"model":"../x"}', "not a model's name"),
        (b'{"model":"' + b"x" * 201 + b'"}', "not a model's name"),
    ],
)
def test_bad_bodies_are_refused(path: str, body: bytes, words: str) -> None:
    """Given a body that cannot be served, when read, then the refusal says what is wrong with it."""
    assert words in refused(path, body)


@pytest.mark.parametrize(
    ("path", "fields", "name"),
    [
        (CHAT, {"stream": "yes"}, "stream"),
        (CHAT, {"stream": 1}, "stream"),
        (CHAT, {"max_tokens": "9"}, "max_tokens"),
        (CHAT, {"max_tokens": -1}, "max_tokens"),
        (CHAT, {"max_completion_tokens": 1.5}, "max_completion_tokens"),
        (CHAT, {"n": 0}, "n"),
        (CHAT, {"n": True}, "n"),
        (CHAT, {"messages": "hi"}, "messages"),
        (RESPONSES, {"max_output_tokens": []}, "max_output_tokens"),
        (MESSAGES, {"max_tokens": 10**12}, "max_tokens"),
        (GEMINI, {"generationConfig": {"maxOutputTokens": "8"}}, "generationConfig"),
        (GEMINI, {"generationConfig": {"candidateCount": 0}}, "generationConfig"),
    ],
)
def test_wrong_types_are_refused(path: str, fields: dict[str, object], name: str) -> None:
    """Given a field of a wrong type, when read, then the refusal names the field and not its value."""
    assert refused(path, {"model": "m", **fields}) == f"`{name}` has the wrong type or is out of range"


@pytest.mark.parametrize(
    "model", ["gpt-4o", "openai/gpt-oss-120b", "@cf/meta/llama", "ft:gpt-4o:org::id", "a@b", "x" * 200, "o3+tools"]
)
def test_models_of_all_sorts_are_read(model: str) -> None:
    """Given a name as some provider writes them, when read, then it is the call's model."""
    assert call_of(CHAT, {"model": model}).model == model


def test_free_calls() -> None:
    """Given calls that are not billed, when read, then a GET's body is ignored and a count has its model."""
    listed = read_request(route_of("/v1/models", "GET"), b"junk")
    assert isinstance(listed, Call)
    assert (listed.model, listed.body, listed.max_output_tokens) == ("", b"", 0)
    assert call_of("/v1/messages/count_tokens", {"model": "claude-x", **TALK}).model == "claude-x"
    assert call_of("/v1beta/models/gemini-x:countTokens", {"contents": []}).model == "gemini-x"


def test_a_refusal_echoes_nothing() -> None:
    """Given a secret in every wrong place, when refused, then no message repeats it."""
    for body in (b'{"zqz":1,"zqz":2}', b'{"model":"zqz zqz"}', b'{"model":"m","stream":"zqz"}', b'{"model":"m","zqz'):
        assert "zqz" not in refused(CHAT, body)
