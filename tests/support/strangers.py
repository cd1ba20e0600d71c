"""Strangers: requests and answers full of text that nobody declared, each piece with a mark in it.

Hypothesis makes the requests; the answers are recordings, made once, whose every string, every name and every further
member holds a mark. What providers' words are for is left: a message's role, an event's type.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

MARK = "MARKED"
"""Begins every mark; the rest tells the example."""

_STRUCTURE = frozenset(("type", "object", "role", "finish_reason", "finishReason", "stop_reason", "status", "event"))
_NAMES = frozenset(("id", "model", "modelVersion", "responseId", "service_tier", "code", "serviceTier"))
"""Declared fields: a text with a blank is no name and must be dropped there."""

_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "service_tier": "default",
    "system_fingerprint": "fp",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0, "note": "x"}},
}
_CHUNK = _CHAT | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "Hello"}, {"type": "tool_use", "name": "t", "input": {"a": "b"}}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3, "service_tier": "standard", "speed": "x"},
}
_GENERATED = {
    "responseId": "r1",
    "modelVersion": "gemini-2.5-flash",
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {
        "promptTokenCount": 7,
        "candidatesTokenCount": 3,
        "totalTokenCount": 10,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
    },
}
_FAILED = {"error": {"message": "no", "type": "invalid_request_error", "param": "p", "code": "c"}}


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A recording's stem, and the mark that is all over it."""

    stem: str
    mark: str


def record_answers(folder: Path) -> list[Recorded]:
    """Writes answers of every shape, with names that are content and with members that nobody knows."""
    answers: list[tuple[str, str, bool, int, list[dict[str, Any]]]] = [
        ("chat", "/v1/chat/completions", False, 200, [_CHAT]),
        ("chat-events", "/v1/chat/completions", True, 200, [_CHUNK, _CHUNK]),
        ("message", "/v1/messages", False, 200, [_MESSAGE]),
        ("message-events", "/v1/messages", True, 200, [{"type": "message_start", "message": _MESSAGE}]),
        ("generated", "/v1beta/models/gemini-2.5-flash:generateContent", False, 200, [_GENERATED]),
        ("failed", "/v1/chat/completions", False, 400, [_FAILED]),
        ("failed-later", "/v1/chat/completions", True, 200, [_CHUNK, _FAILED]),
    ]
    found = []
    for number, (stem, path, stream, status, objects) in enumerate(answers):
        mark = f"{MARK}answer{number}x"
        planted = [json.dumps(_planted(answer, mark)) for answer in objects]
        text = "".join(f"data: {event}\n\n" for event in planted) if stream else planted[0]
        file = {"request": {"path": path}, "stream": stream, "status": status, "sse" if stream else "raw": text}
        file["content_type"] = f"text/event-stream; note={mark}" if stream else "application/json"
        (folder / f"{stem}.json").write_text(json.dumps(file))
        found.append(Recorded(stem=stem, mark=mark))
    return found


def _planted(value: Any, mark: str, name: str = "") -> Any:
    """A copy with the mark in every string and under a further name in every object."""
    if isinstance(value, dict):
        kept = {key: _planted(member, mark, key) for key, member in value.items()}
        return kept | {f"note {mark}": mark, f"{mark} count": 5}
    if isinstance(value, list):
        return [_planted(member, mark, name) for member in copy.deepcopy(value)]
    if not isinstance(value, str) or name in _STRUCTURE:
        return value
    return f"what {mark} says" if name in _NAMES else mark


class Strange(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the mark in it, header fields, body members, a query, and what the provider is asked to say."""

    headers: list[tuple[str, str]]
    members: dict[str, Any]
    query: str
    path: str
    declared: str
    stream: bool
    said: str


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_KNOWN_HEADERS = ("user-agent", "referer", "cookie", "traceparent", "openai-organization", "anthropic-beta", "x-user")
_KNOWN_MEMBERS = (
    *("user", "metadata", "stop", "response_format", "safety_identifier", "prompt_cache_key", "service_tier", "seed"),
    *("tools", "tool_choice", "system", "instructions", "previous_response_id", "logit_bias", "labels", "store"),
)
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/providers/openai/v1/chat/completions")
RAW_PATHS = ("/providers/openai/raw/", "/v1/images/", "/v1/files/", "/v1beta/models/")


def _texts(mark: str) -> st.SearchStrategy[str]:
    around = st.text(max_size=12)
    return st.builds(lambda before, after: f"{before}{mark}{after}", around, around) | st.just(mark)


def _values(mark: str) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _texts(mark)
    keys = _texts(mark) | st.sampled_from(_KNOWN_MEMBERS)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    )


def strange_requests(mark: str) -> st.SearchStrategy[Strange]:
    """Requests that hold the mark wherever a caller can put text, and in no declared place."""
    name = st.text(_LETTERS, min_size=1, max_size=10).map(lambda tail: f"x-{tail}{mark.lower()}")
    value = st.text([chr(code) for code in range(33, 127)], max_size=20).map(lambda text: f"a{text}{mark}")
    undeclared = st.sampled_from(("x-tollhouse-note", "x-modeltrack-note", "x-modelspend-note"))
    field = st.tuples(name | st.sampled_from(_KNOWN_HEADERS) | undeclared, value)
    raw = st.sampled_from(RAW_PATHS).map(lambda path: path + mark)
    return st.builds(
        lambda headers, members, path, declared, stream, said: Strange(
            headers=headers,
            members=members,
            query=f"{mark}={mark}",
            path=path,
            declared=declared,
            stream=stream,
            said=said,
        ),
        st.lists(field, max_size=4, unique_by=lambda pair: pair[0]),
        st.dictionaries(st.sampled_from(_KNOWN_MEMBERS) | _texts(mark), _values(mark), max_size=5),
        st.sampled_from(PATHS) | st.sampled_from(PATHS) | raw,
        st.text(_LETTERS, min_size=1, max_size=20).map("team-{}".format),
        st.booleans(),
        st.sampled_from(("text", "recording")),
    )
