"""Gemini generateContent, its two kinds of stream, and its token count.

Pure. Google streams events with CRLF when asked for `alt=sse` and one JSON array otherwise; every chunk carries the
usage so far. `candidatesTokenCount` leaves thoughts out. Google reads both spellings of a field, `maxOutputTokens` and
`max_output_tokens`, and its own SDK sends a mixture.
"""

from __future__ import annotations

import json

import msgspec

from tollhouse.simulator.answer import Amounts, Answer, Ask, ToolCall, amounts_of, generated_after, is_cut, pieces_of
from tollhouse.simulator.control import Controls, Fault
from tollhouse.simulator.dialects.base import CHOICES_MAX, Incoming, controls_of, decode, pretty, tool_call
from tollhouse.simulator.problem import RequestError, error_payload
from tollhouse.simulator.schema import sample
from tollhouse.simulator.text import identifier
from tollhouse.wire.call import Family

JSON = b"application/json; charset=UTF-8"


class _Function(msgspec.Struct, rename="camel"):
    name: str = ""
    parameters: object = None
    parameters_json_schema: object = None


class _Tool(msgspec.Struct, rename="camel"):
    function_declarations: list[_Function] = []


class _CallingConfig(msgspec.Struct, rename="camel"):
    mode: str = "AUTO"
    allowed_function_names: list[str] = []


class _ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: _CallingConfig = msgspec.field(default_factory=_CallingConfig)


class _Thinking(msgspec.Struct, rename="camel"):
    include_thoughts: bool | None = None


class _Config(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_mime_type: str | None = None
    response_schema: object = None
    response_json_schema: object = None
    thinking_config: _Thinking | None = None


class _Request(msgspec.Struct, rename="camel"):
    contents: list[object] = []
    generation_config: _Config = msgspec.field(default_factory=_Config)
    tools: list[_Tool] = []
    tool_config: _ToolConfig | None = None
    labels: dict[str, object] | None = None


_DECODER = msgspec.json.Decoder(_Request)
_ANY_DECODER = msgspec.json.Decoder(dict[str, object])
_ENVELOPE = frozenset(
    (
        *("generation_config", "generationConfig", "thinking_config", "thinkingConfig", "tools"),
        *("tool_config", "toolConfig", "function_calling_config", "functionCallingConfig"),
        *("function_declarations", "functionDeclarations"),
    )
)
"""Fields whose inside may be spelt either way too; what a user names (schemas, labels) is left alone."""


def compose(incoming: Incoming) -> Answer:
    """The answer to a request of the verb in the path; RequestError 404 for a verb that is not simulated."""
    match incoming.verb:
        case "generateContent":
            return _whole(_read(incoming, stream=False))
        case "streamGenerateContent":
            return _streamed(_read(incoming, stream=True))
        case "countTokens":
            return _count(incoming)
        case _:
            raise RequestError(404, f"models/{incoming.path_model} is not supported for {incoming.verb}.")


def _read(incoming: Incoming, *, stream: bool) -> Ask:
    request = _decoded(incoming.body)
    if not request.contents:
        raise RequestError(400, "* GenerateContentRequest.contents: contents is not specified\n")
    config = request.generation_config
    choices = 1 if config.candidate_count is None else config.candidate_count
    if not 1 <= choices <= CHOICES_MAX:
        raise RequestError(400, f"candidateCount must be from 1 to {CHOICES_MAX}, not {choices}.")
    controls = controls_of(incoming, request.labels)
    return Ask(
        seed=incoming.seed,
        model=incoming.path_model,
        stream=stream,
        controls=controls,
        body_bytes=len(incoming.body),
        output_limit=config.max_output_tokens,
        choices=choices,
        tool=_tool(request, controls),
        structured=_structured(config),
        tier=controls.tier or "standard",
        json_array=incoming.json_array,
        shape={"thoughts": bool(config.thinking_config and config.thinking_config.include_thoughts)},
    )


def _decoded(body: bytes) -> _Request:
    if b"_" not in body:
        return decode(_DECODER, body)
    fields = decode(_ANY_DECODER, body)
    try:
        return msgspec.convert(_camel(fields), _Request)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"Invalid request: {error}") from error


def _camel(value: object) -> object:
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_camel_name(key): _camel(inner) if key in _ENVELOPE else inner for key, inner in value.items()}


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _count(incoming: Incoming) -> Answer:
    request = _decoded(incoming.body)
    controls = controls_of(incoming, request.labels)
    length = len(incoming.body)
    ask = Ask(seed=incoming.seed, model=incoming.path_model, stream=False, controls=controls, body_bytes=length)
    total = amounts_of(ask).input
    payload = {"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}
    return Answer(content_type=JSON, controls=controls, body=pretty(payload) + b"\n")


def _tool(request: _Request, controls: Controls) -> ToolCall | None:
    functions = [function for tool in request.tools for function in tool.function_declarations]
    calling = request.tool_config.function_calling_config if request.tool_config else _CallingConfig()
    if not functions or not (controls.tool or calling.mode == "ANY"):
        return None
    allowed = calling.allowed_function_names
    function = next((function for function in functions if function.name in allowed), functions[0])
    return tool_call(function.name, function.parameters or function.parameters_json_schema)


def _structured(config: _Config) -> object | None:
    if config.response_mime_type != "application/json":
        return None
    schema = config.response_schema or config.response_json_schema
    return {"answer": "toll"} if schema is None else sample(schema)


def _usage(ask: Ask, amounts: Amounts, output: int) -> dict[str, object]:
    reasoning = min(amounts.reasoning, output)
    usage: dict[str, object] = {"promptTokenCount": amounts.input}
    if output > reasoning:
        usage["candidatesTokenCount"] = output - reasoning
    usage["totalTokenCount"] = amounts.input + output
    if amounts.cached:
        usage["cachedContentTokenCount"] = amounts.cached
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": amounts.input}]
    if amounts.cached:
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": amounts.cached}]
    if reasoning:
        usage["thoughtsTokenCount"] = reasoning
    usage["serviceTier"] = ask.tier
    return usage


def _chunk(ask: Ask, candidates: list[dict[str, object]], amounts: Amounts, output: int) -> dict[str, object]:
    chunk: dict[str, object] = {"candidates": candidates}
    if not ask.has(Fault.MISSING_USAGE):
        chunk["usageMetadata"] = _usage(ask, amounts, output)
    chunk["modelVersion"] = ask.model
    chunk["responseId"] = _response_id(ask)
    return chunk


def _response_id(ask: Ask) -> str:
    return identifier(ask.seed, "response", 23)


def _candidate(index: int, parts: list[dict[str, object]], finish: str | None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    candidate["index"] = index
    return candidate


def _finish(ask: Ask) -> str:
    if is_cut(ask):
        return "MAX_TOKENS"
    return "SAFETY" if ask.controls.refusal else "STOP"


def _thought(ask: Ask) -> list[dict[str, object]]:
    if not ask.shape["thoughts"] or not ask.controls.reasoning_tokens:
        return []
    return [{"text": "**Counting the toll**\n\nEvery cart is counted once.", "thought": True}]


def _call_part(ask: Ask, tool: ToolCall) -> dict[str, object]:
    signature = identifier(ask.seed, "signature", 64)
    return {"functionCall": {"name": tool.name, "args": tool.arguments}, "thoughtSignature": signature}


def _whole(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    answer: dict[str, object] = _call_part(ask, ask.tool) if ask.tool else {"text": "".join(pieces_of(ask))}
    parts = [*_thought(ask), answer]
    candidates = [_candidate(index, parts, _finish(ask)) for index in range(ask.choices)]
    return Answer(
        id=_response_id(ask),
        dialect="gemini_generate",
        model=ask.model,
        content_type=JSON,
        amounts=amounts,
        controls=ask.controls,
        body=pretty(_chunk(ask, candidates, amounts, amounts.output)) + b"\n",
    )


def _streamed(ask: Ask) -> Answer:
    amounts = amounts_of(ask)
    chunks, generated = _chunks(ask, amounts)
    error = error_payload(Family.GEMINI, 503, "The model is overloaded. Please try again later.")
    if ask.json_array:
        events = [(b"[" if index == 0 else b",\r\n") + pretty(chunk) for index, chunk in enumerate(chunks)]
        events.append(b"]")
        generated.append(amounts.output)
        error_event = b",\r\n" + pretty(error) + b"]"
    else:
        events = [_event(chunk) for chunk in chunks]
        error_event = _event(error)
    return Answer(
        id=_response_id(ask),
        dialect="gemini_generate",
        model=ask.model,
        content_type=JSON if ask.json_array else b"text/event-stream",
        amounts=amounts,
        controls=ask.controls,
        events=events,
        generated=generated,
        usage_at=None if ask.has(Fault.MISSING_USAGE) else len(chunks) - 1,
        error_event=error_event,
    )


def _event(payload: object) -> bytes:
    """An event as Google prints it: a blank after colons, none after commas, CRLF."""
    text = json.dumps(payload, separators=(",", ": "), ensure_ascii=False)
    return b"data: " + text.encode() + b"\r\n\r\n"


def _chunks(ask: Ask, amounts: Amounts) -> tuple[list[dict[str, object]], list[int]]:
    """Chunks of the stream and what has been generated after each; the last one finishes all candidates."""
    texts: list[list[dict[str, object]]] = [[part] for part in _thought(ask)]
    first = len(texts)
    if ask.tool:
        texts.append([_call_part(ask, ask.tool)])
    else:
        texts += [[{"text": piece}] for piece in pieces_of(ask)]
    total = len(texts) - first
    chunks: list[dict[str, object]] = []
    generated: list[int] = []
    for number, parts in enumerate(texts, 1):
        done = max(number - first, 0)
        output = amounts.output if number == len(texts) else generated_after(amounts, done, total)
        finish = _finish(ask) if number == len(texts) else None
        candidates = [_candidate(index, parts, finish) for index in range(ask.choices)]
        chunks.append(_chunk(ask, candidates, amounts, output))
        generated.append(output)
    return chunks, generated
