"""OpenAI Chat Completions: requests and answers, streamed or not.

Pure. A usage chunk is streamed only to those who ask for it with `stream_options.include_usage`, as the real one does.
"""

from __future__ import annotations

import msgspec

from tollhouse.simulator.answer import Amounts, Answer, Ask, ToolCall, amounts_of, generated_after, is_cut, pieces_of
from tollhouse.simulator.control import Controls, Fault
from tollhouse.simulator.dialects.base import (
    CHOICES_MAX,
    Incoming,
    compact,
    controls_of,
    dated,
    decode,
    pretty,
    quoted,
    split_json,
    tool_call,
)
from tollhouse.simulator.problem import RequestError, error_payload
from tollhouse.simulator.schema import sample
from tollhouse.simulator.text import created_s, hexadecimal, identifier
from tollhouse.wire.call import Family

ARGUMENT_DELTAS = 8


class _Function(msgspec.Struct):
    name: str = ""
    parameters: object = None


class _Tool(msgspec.Struct):
    function: _Function | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _JsonSchema(msgspec.Struct):
    schema: object = None


class _ResponseFormat(msgspec.Struct):
    type: str = "text"
    json_schema: _JsonSchema | None = None


class _Request(msgspec.Struct):
    messages: list[msgspec.Raw]
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: object = None
    response_format: _ResponseFormat | None = None
    service_tier: str | None = None
    metadata: dict[str, object] | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(_Request)


def compose(incoming: Incoming) -> Answer:
    """The answer to a Chat Completions request."""
    ask = _read(incoming)
    return _streamed(ask) if ask.stream else _whole(ask)


def _read(incoming: Incoming) -> Ask:
    request = decode(_DECODER, incoming.body)
    model = request.model or incoming.path_model
    if not model:
        raise RequestError(400, "you must provide a model parameter")
    if not request.messages:
        raise RequestError(400, "Invalid 'messages': empty array. Expected an array with minimum length 1.")
    choices = 1 if request.n is None else request.n
    if not 1 <= choices <= CHOICES_MAX:
        raise RequestError(400, f"Invalid 'n': expected a number from 1 to {CHOICES_MAX}, but got {choices} instead.")
    controls = controls_of(incoming, request.metadata, request.user)
    options = request.stream_options
    return Ask(
        seed=incoming.seed,
        model=dated(model),
        stream=bool(request.stream),
        controls=controls,
        body_bytes=len(incoming.body),
        output_limit=request.max_completion_tokens or request.max_tokens,
        choices=choices,
        tool=_tool(request, controls),
        structured=_structured(request.response_format),
        asked_usage=bool(options and options.include_usage),
        tier=controls.tier or _tier(request.service_tier),
    )


def _tier(asked: str | None) -> str:
    return asked if asked in ("flex", "priority", "scale") else "default"


def _tool(request: _Request, controls: Controls) -> ToolCall | None:
    functions = [tool.function for tool in request.tools or () if tool.function]
    choice = request.tool_choice
    if not functions or not (controls.tool or choice == "required" or isinstance(choice, dict)):
        return None
    named = choice.get("function") if isinstance(choice, dict) else None
    wanted = named.get("name") if isinstance(named, dict) else None
    function = next((function for function in functions if function.name == wanted), functions[0])
    return tool_call(function.name, function.parameters)


def _structured(wanted: _ResponseFormat | None) -> object | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.json_schema is None:
        return {"answer": "toll"}
    return sample(wanted.json_schema.schema)


def _identity(ask: Ask, kind: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-" + identifier(ask.seed, "chat", 29),
        "object": kind,
        "created": created_s(ask.seed),
        "model": ask.model,
    }


def _usage(ask: Ask, amounts: Amounts) -> dict[str, object]:
    prompt: dict[str, object] = {"cached_tokens": amounts.cached, "audio_tokens": 0}
    if amounts.cache_write:
        prompt["cache_write_tokens"] = amounts.cache_write
    return {
        "prompt_tokens": amounts.input,
        "completion_tokens": amounts.output,
        "total_tokens": amounts.input + amounts.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": amounts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish(ask: Ask) -> str:
    if is_cut(ask):
        return "length"
    return "tool_calls" if ask.tool else "stop"


def _call_id(ask: Ask, index: int) -> str:
    return "call_" + identifier(ask.seed, f"call{index}", 24)


def _message(ask: Ask, index: int) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": None}
    if ask.tool:
        function = {"name": ask.tool.name, "arguments": ask.tool.arguments_json}
        message["tool_calls"] = [{"id": _call_id(ask, index), "type": "function", "function": function}]
        message["refusal"] = None
    else:
        text = "".join(pieces_of(ask))
        message["content"] = None if ask.controls.refusal else text
        message["refusal"] = text if ask.controls.refusal else None
    message["annotations"] = []
    return message


def _whole(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    payload = _identity(ask, "chat.completion")
    payload["choices"] = [
        {"index": index, "message": _message(ask, index), "logprobs": None, "finish_reason": _finish(ask)}
        for index in range(ask.choices)
    ]
    if not ask.has(Fault.MISSING_USAGE):
        payload["usage"] = _usage(ask, amounts)
    payload["service_tier"] = ask.tier
    payload["system_fingerprint"] = "fp_" + hexadecimal(ask.seed, "print", 10)
    return Answer(
        id=str(payload["id"]),
        dialect="openai_chat",
        model=ask.model,
        content_type=b"application/json",
        amounts=amounts,
        controls=ask.controls,
        body=pretty(payload) + b"\n",
    )


def _streamed(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    identity = _identity(ask, "chat.completion.chunk")
    identity |= {"service_tier": ask.tier, "system_fingerprint": "fp_" + hexadecimal(ask.seed, "print", 10)}
    events, generated = _chunks(ask, amounts, b"data: " + compact(identity)[:-1])
    usage_at = None
    if ask.asked_usage and not ask.has(Fault.MISSING_USAGE):
        usage_at = len(events)
        events.append(b"data: " + compact(identity | {"choices": [], "usage": _usage(ask, amounts)}) + b"\n\n")
    events.append(b"data: [DONE]\n\n")
    generated += [amounts.output] * (len(events) - len(generated))
    payload = error_payload(
        Family.OPENAI, 500, "The server had an error while processing your request. Sorry about that!"
    )
    return Answer(
        id=str(identity["id"]),
        dialect="openai_chat",
        model=ask.model,
        content_type=b"text/event-stream; charset=utf-8",
        amounts=amounts,
        controls=ask.controls,
        events=events,
        generated=generated,
        usage_at=usage_at,
        error_event=b"data: " + compact(payload) + b"\n\n",
    )


def _chunks(ask: Ask, amounts: Amounts, prefix: bytes) -> tuple[list[bytes], list[int]]:
    """Role, content and finish chunks of all choices, interleaved, with the output generated after each."""
    tail = b'"usage":null}\n\n' if ask.asked_usage else b""
    end = b'"logprobs":null,"finish_reason":%s}],' + tail if tail else b'"logprobs":null,"finish_reason":%s}]}\n\n'
    heads = [prefix + b',"choices":[{"index":%d,"delta":' % index for index in range(ask.choices)]
    middle = b"," + end % b"null"
    events = [head + _first_delta(ask, index) + middle for index, head in enumerate(heads)]
    deltas = _deltas(ask)
    generated = [0] * len(events)
    for done, delta in enumerate(deltas, 1):
        for index, head in enumerate(heads):
            events.append(head + delta + middle)
            generated.append(generated_after(amounts, (done - 1) * ask.choices + index + 1, len(deltas) * ask.choices))
    for head in heads:
        events.append(head + b"{}," + end % quoted(_finish(ask)))
        generated.append(amounts.output)
    return events, generated


def _first_delta(ask: Ask, index: int) -> bytes:
    delta: dict[str, object] = {"role": "assistant", "content": None if ask.tool or ask.controls.refusal else ""}
    if ask.tool:
        function = {"name": ask.tool.name, "arguments": ""}
        delta["tool_calls"] = [{"index": 0, "id": _call_id(ask, index), "type": "function", "function": function}]
    delta["refusal"] = None
    return compact(delta)


def _deltas(ask: Ask) -> list[bytes]:
    if ask.tool:
        parts = split_json(ask.tool.arguments_json, ask.controls.chunks or ARGUMENT_DELTAS)
        form = b'{"tool_calls":[{"index":0,"function":{"arguments":%s}}]}'
    else:
        parts = pieces_of(ask)
        form = b'{"refusal":%s}' if ask.controls.refusal else b'{"content":%s}'
    return [form % quoted(part) for part in parts]
