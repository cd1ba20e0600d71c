"""Anthropic Messages and its token count: requests and answers, streamed or not.

Pure. `input_tokens` on this wire leaves out what was read from or written to a cache, and the usage of a stream's
`message_delta` is cumulative.
"""

from __future__ import annotations

import msgspec

from tollhouse.simulator.answer import Amounts, Answer, Ask, ToolCall, amounts_of, generated_after, is_cut, pieces_of
from tollhouse.simulator.control import Controls, Fault
from tollhouse.simulator.dialects.base import Incoming, compact, controls_of, decode, split_json, tool_call
from tollhouse.simulator.problem import RequestError, error_payload
from tollhouse.simulator.text import identifier, words
from tollhouse.wire.call import Family

ARGUMENT_DELTAS = 6
THINKING_WORDS_MAX = 400
PADDING = 15
"""The real one hides the length of its deltas behind up to this many blanks."""
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class _Tool(msgspec.Struct):
    name: str = ""
    input_schema: object = None


class _Choice(msgspec.Struct):
    type: str = "auto"
    name: str | None = None


class _Thinking(msgspec.Struct):
    type: str = "disabled"


class _Request(msgspec.Struct):
    model: str
    messages: list[msgspec.Raw]
    max_tokens: int | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    service_tier: str | None = None
    metadata: dict[str, object] | None = None


Json = dict[str, object]

_EMPTY: dict[str, Json] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}
"""What a block has of its content when it opens."""
_DECODER = msgspec.json.Decoder(_Request)


def compose(incoming: Incoming) -> Answer:
    """The answer to a Messages request."""
    request = _decoded(incoming)
    if request.max_tokens is None:
        raise RequestError(400, "max_tokens: Field required")
    if request.max_tokens < 1:
        raise RequestError(400, "max_tokens: Input should be greater than or equal to 1")
    controls = controls_of(incoming, request.metadata)
    thinks = request.thinking is not None and request.thinking.type != "disabled"
    if thinks and not controls.reasoning_tokens:
        controls = msgspec.structs.replace(controls, reasoning_tokens=8)
    ask = Ask(
        seed=incoming.seed,
        model=request.model,
        stream=bool(request.stream),
        controls=controls,
        body_bytes=len(incoming.body),
        output_limit=request.max_tokens,
        tool=_tool(request, controls),
        tier=controls.tier or "standard",
        shape={"thinks": thinks},
    )
    return _streamed(ask) if ask.stream else _whole(ask)


def count_tokens(incoming: Incoming) -> Answer:
    """The answer to a token count, which nobody bills."""
    request = _decoded(incoming)
    controls = controls_of(incoming, request.metadata)
    ask = Ask(seed=incoming.seed, model=request.model, stream=False, controls=controls, body_bytes=len(incoming.body))
    body = compact({"input_tokens": amounts_of(ask).input})
    return Answer(content_type=b"application/json", controls=controls, body=body)


def _decoded(incoming: Incoming) -> _Request:
    request = decode(_DECODER, incoming.body)
    if not request.messages:
        raise RequestError(400, "messages: at least one message is required")
    return request


def _tool(request: _Request, controls: Controls) -> ToolCall | None:
    choice = request.tool_choice or _Choice()
    if not request.tools or not (controls.tool or choice.type in ("any", "tool")):
        return None
    tool = next((tool for tool in request.tools if tool.name == choice.name), request.tools[0])
    return tool_call(tool.name, tool.input_schema)


def _stop_reason(ask: Ask) -> str:
    if is_cut(ask):
        return "max_tokens"
    if ask.controls.refusal:
        return "refusal"
    return "tool_use" if ask.tool else "end_turn"


def _input_usage(ask: Ask, amounts: Amounts) -> Json:
    return {
        "input_tokens": amounts.fresh_input,
        "cache_creation_input_tokens": amounts.cache_write,
        "cache_read_input_tokens": amounts.cached,
    }


def _usage(ask: Ask, amounts: Amounts, output: int) -> Json:
    return _input_usage(ask, amounts) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": amounts.cache_write - amounts.cache_write_1h,
            "ephemeral_1h_input_tokens": amounts.cache_write_1h,
        },
        "output_tokens": output,
        "service_tier": ask.tier,
        "inference_geo": "not_available",
    }


def _blocks(ask: Ask, amounts: Amounts) -> list[Json]:
    """The content blocks of the whole answer, in their order."""
    blocks: list[Json] = []
    if ask.shape["thinks"]:
        thought = "".join(words(ask.seed[::-1], min(amounts.reasoning, THINKING_WORDS_MAX)))
        blocks.append({"type": "thinking", "thinking": thought, "signature": _signature(ask)})
    if ask.tool:
        identity = "toolu_" + identifier(ask.seed, "tool", 24)
        blocks.append({"type": "tool_use", "id": identity, "name": ask.tool.name, "input": ask.tool.arguments})
    else:
        blocks.append({"type": "text", "text": "".join(pieces_of(ask))})
    return blocks


def _signature(ask: Ask) -> str:
    return "Ep" + identifier(ask.seed, "signature", 90) + "=="


def _identity(ask: Ask) -> Json:
    return {
        "model": ask.model,
        "id": "msg_01" + identifier(ask.seed, "message", 22),
        "type": "message",
        "role": "assistant",
    }


def _whole(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    payload = _identity(ask) | {
        "content": _blocks(ask, amounts),
        "stop_reason": _stop_reason(ask),
        "stop_sequence": None,
        "stop_details": None,
    }
    if not ask.has(Fault.MISSING_USAGE):
        usage = _usage(ask, amounts, amounts.output)
        if amounts.reasoning:
            usage["output_tokens_details"] = {"thinking_tokens": amounts.reasoning}
        payload["usage"] = usage
    return Answer(
        id=str(payload["id"]),
        dialect="anthropic_messages",
        model=ask.model,
        content_type=b"application/json",
        amounts=amounts,
        controls=ask.controls,
        body=compact(payload),
    )


class _Stream:
    """Events of one stream as they are put together, each with what has been generated by then."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.generated: list[int] = []

    def add(self, name: str, fields: Json, generated: int) -> None:
        """Appends one event in the provider's framing, padding included."""
        payload = compact({"type": name} | fields)
        blanks = b" " * (len(self.events) * 7 % PADDING)
        self.events.append(b"event: " + name.encode() + b"\ndata: " + payload[:-1] + blanks + b"}\n\n")
        self.generated.append(generated)

    def ping(self) -> None:
        """Appends a ping, which comes with nothing generated."""
        self.events.append(PING)
        self.generated.append(self.generated[-1])


def _streamed(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    stream = _Stream()
    unfinished: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    message: Json = _identity(ask) | unfinished
    silent = ask.has(Fault.MISSING_USAGE)
    message["usage"] = {"input_tokens": 0, "output_tokens": 0} if silent else _usage(ask, amounts, 1)
    stream.add("message_start", {"message": message}, min(1, amounts.output))
    for index, block in enumerate(_blocks(ask, amounts)):
        _add_block(ask, amounts, stream, index, block)
    usage_at = len(stream.events)
    final: Json = {"stop_reason": _stop_reason(ask), "stop_sequence": None, "stop_details": None}
    usage = _input_usage(ask, amounts) | {"output_tokens": amounts.output}
    if amounts.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": amounts.reasoning}
    fields: Json = {"delta": final} if silent else {"delta": final, "usage": usage}
    stream.add("message_delta", fields, amounts.output)
    stream.add("message_stop", {}, amounts.output)
    payload = error_payload(Family.ANTHROPIC, 529, "Overloaded")
    return Answer(
        id=str(message["id"]),
        dialect="anthropic_messages",
        model=ask.model,
        content_type=b"text/event-stream; charset=utf-8",
        amounts=amounts,
        controls=ask.controls,
        events=stream.events,
        generated=stream.generated,
        usage_at=None if silent else usage_at,
        error_event=b"event: error\ndata: " + compact(payload) + b"\n\n",
    )


def _add_block(ask: Ask, amounts: Amounts, stream: _Stream, index: int, block: Json) -> None:
    """A block's start, deltas and stop; the first block of a stream is followed by a ping."""
    kind = str(block["type"])
    before = stream.generated[-1]
    stream.add("content_block_start", {"index": index, "content_block": block | _EMPTY[kind]}, before)
    if index == 0:
        stream.ping()
    if kind == "thinking":
        thought = {"type": "thinking_delta", "thinking": block["thinking"]}
        stream.add("content_block_delta", {"index": index, "delta": thought}, max(amounts.reasoning, before))
        signature = {"type": "signature_delta", "signature": block["signature"]}
        stream.add("content_block_delta", {"index": index, "delta": signature}, max(amounts.reasoning, before))
    else:
        deltas = _deltas(ask)
        for done, delta in enumerate(deltas, 1):
            generated = max(generated_after(amounts, done, len(deltas)), before)
            stream.add("content_block_delta", {"index": index, "delta": delta}, generated)
    stream.add("content_block_stop", {"index": index}, stream.generated[-1])


def _deltas(ask: Ask) -> list[Json]:
    if ask.tool is None:
        return [{"type": "text_delta", "text": piece} for piece in pieces_of(ask)]
    parts = ["", *split_json(ask.tool.arguments_json, ask.controls.chunks or ARGUMENT_DELTAS)]
    return [{"type": "input_json_delta", "partial_json": part} for part in parts]
