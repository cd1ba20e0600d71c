"""OpenAI Responses: the request. Usage is always reported; a stored answer, conversation or prompt is input unseen."""

from __future__ import annotations

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
    model input instructions stream stream_options max_output_tokens tools tool_choice metadata previous_response_id
    conversation prompt background include max_tool_calls parallel_tool_calls prompt_cache_key prompt_cache_retention
    prompt_cache_options reasoning safety_identifier service_tier store temperature text top_logprobs top_p truncation
    user
    """.split()  # noqa: SIM905
)
_PLAIN_ITEMS = frozenset(
    """
    message reasoning function_call function_call_output custom_tool_call custom_tool_call_output compaction
    """.split()  # noqa: SIM905
)
_PLAIN_PARTS = frozenset(("input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"))
_CLIENT_TOOLS = frozenset(("function", "custom"))


class _Item(msgspec.Struct, gc=False):
    type: str = "message"
    content: msgspec.Raw = NULL
    output: msgspec.Raw = NULL


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    max_output_tokens: Tokens | None = None
    input: str | list[_Item] | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = NULL
    prompt: msgspec.Raw = NULL
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
    return Call(
        route=route,
        model=request.model or "",
        stream=request.stream is True,
        body=body,
        max_output_tokens=request.max_output_tokens,
        referenced=_is_referenced(request),
        unbounded=has_unknown(values, KNOWN_FIELDS)
        or any(tool.type not in _CLIENT_TOOLS for tool in request.tools or ()),
        metadata=string_metadata(request.metadata),
    )


def _is_referenced(request: _Request) -> bool:
    """What was said before, elsewhere, and media, whose bytes are no bound of their tokens."""
    if request.previous_response_id is not None:
        return True
    if any(bytes(part) != b"null" for part in (request.conversation, request.prompt)):
        return True
    return isinstance(request.input, list) and any(
        item.type not in _PLAIN_ITEMS
        or has_other_kinds(item.content, _PLAIN_PARTS)
        or has_other_kinds(item.output, _PLAIN_PARTS)
        for item in request.input
    )
