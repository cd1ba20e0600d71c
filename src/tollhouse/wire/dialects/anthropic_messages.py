"""Anthropic Messages: the request. Usage is always reported; tools that Anthropic runs itself have no sound ceiling."""

from __future__ import annotations

import re

import msgspec

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.reading import (
    NULL,
    Kind,
    Tokens,
    has_other_kinds,
    has_unknown,
    model_refusal,
    read_body,
    string_metadata,
)

KNOWN_FIELDS = frozenset(
    """
    model messages system stream max_tokens tools tool_choice metadata temperature top_p top_k stop_sequences thinking
    service_tier speed inference_geo output_config output_format cache_control
    """.split()  # noqa: SIM905
)
_PLAIN_BLOCKS = frozenset(("text", "thinking", "redacted_thinking", "tool_use", "tool_result"))
_CLIENT_TOOLS = re.compile(r"(?:custom)?|(?:bash|text_editor|computer|memory)_\d{8}")


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    content: msgspec.Raw = NULL


class _Message(msgspec.Struct, gc=False):
    content: str | list[_Block] | None = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_tokens: Tokens | None = None
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
    tools = request.tools or ()
    return Call(
        route=route,
        model=request.model or "",
        stream=request.stream is True,
        body=body,
        max_output_tokens=request.max_tokens,
        # Tools of Anthropic's own that the client runs bring descriptions that are not in the body.
        referenced=any(tool.type not in ("", "custom") for tool in tools) or _is_referenced(request.messages),
        unbounded=has_unknown(values, KNOWN_FIELDS)
        or any(_CLIENT_TOOLS.fullmatch(tool.type) is None for tool in tools),
        metadata=string_metadata(request.metadata),
    )


def _is_referenced(messages: list[_Message] | None) -> bool:
    """Images, documents and files: their bytes, where they are here at all, are no bound of their tokens."""
    return any(
        block.type not in _PLAIN_BLOCKS or has_other_kinds(block.content, _PLAIN_BLOCKS)
        for message in messages or ()
        if isinstance(message.content, list)
        for block in message.content
    )
