"""OpenAI Chat Completions, and what compatible providers make of it: the request.

A stream reports usage only on request; `usage_asking.inject_usage` asks for it where the client did not.
"""

from __future__ import annotations

import msgspec

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.reading import (
    NULL,
    Choices,
    Kind,
    Tokens,
    bad_request,
    has_other_kinds,
    has_unknown,
    largest,
    model_refusal,
    read_body,
    string_metadata,
)
from tollhouse.wire.members import MalformedError, read_object

KNOWN_FIELDS = frozenset(
    """
    model messages stream stream_options max_tokens max_completion_tokens n tools tool_choice metadata temperature
    top_p top_k min_p stop seed user frequency_penalty presence_penalty repetition_penalty logit_bias logprobs
    top_logprobs response_format parallel_tool_calls reasoning_effort reasoning reasoning_format include_reasoning
    service_tier store prediction modalities audio verbosity functions function_call safety_identifier
    prompt_cache_key prompt_cache_retention prompt_cache_options thinking safe_prompt random_seed prompt_mode
    """.split()  # noqa: SIM905
)
_PLAIN_PARTS = frozenset(("text", "refusal", "thinking"))
_CLIENT_TOOLS = frozenset(("function", "custom"))


class _Message(msgspec.Struct, gc=False):
    content: msgspec.Raw = NULL
    audio: msgspec.Raw = NULL


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Choices | None = None
    stream_options: _StreamOptions | None = None
    messages: list[_Message] | None = None
    tools: list[Kind] | None = None
    metadata: dict[str, object] | None = None


_DECODER = msgspec.json.Decoder(_Request)


def read_request(route: Route, body: bytes) -> Call | Refusal:
    """The call, or why its body cannot be served."""
    read = read_body(body, _DECODER)
    if isinstance(read, Refusal):
        return read
    request, values = read
    refusal = model_refusal(request.model)
    if refusal is not None:
        return refusal
    options = request.stream_options
    if options is not None and _is_ambiguous(bytes(values["stream_options"])):
        return bad_request("`stream_options` has the same key twice")
    stream = request.stream is True
    return Call(
        route=route,
        model=request.model or "",
        stream=stream,
        body=body,
        max_output_tokens=largest(request.max_tokens, request.max_completion_tokens),
        choices=request.n or 1,
        asked_usage=not stream or (options is not None and options.include_usage is True),
        referenced=not _is_plain(body, request.messages or ()) and _is_referenced(request.messages or ()),
        unbounded=has_unknown(values, KNOWN_FIELDS) or _has_server_tools(request.tools),
        metadata=string_metadata(request.metadata),
    )


def _is_ambiguous(options: bytes) -> bool:
    """Whether a key stands twice: we might edit the one that the provider does not read."""
    try:
        read_object(options)
    except MalformedError:
        return True
    return False


def _is_plain(body: bytes, messages: list[_Message] | tuple[()]) -> bool:
    """Whether all contents are strings, which a count of brackets tells: one list, and one object for each message."""
    return body.count(b"[") <= 1 and body.count(b"{") <= len(messages) + 1 and b'"audio"' not in body


def _is_referenced(messages: list[_Message] | tuple[()]) -> bool:
    """Media count too, inline or not: their size in bytes is no bound of their size in tokens."""
    for message in messages:
        if message.audio is not NULL and bytes(message.audio) != b"null":
            return True
        if has_other_kinds(message.content, _PLAIN_PARTS):
            return True
    return False


def _has_server_tools(tools: list[Kind] | None) -> bool:
    return bool(tools) and any(tool.type not in _CLIENT_TOOLS for tool in tools or ())
