"""OpenAI Responses: requests and whole answers; the stream's events are in `openai_responses_stream`.

Pure. An answer has at most a reasoning item and then a message or a function call, as an ordinary turn has.
"""

from __future__ import annotations

import msgspec

from tollhouse.simulator.answer import Amounts, Answer, Ask, ToolCall, amounts_of, is_cut, pieces_of
from tollhouse.simulator.control import Controls, Fault
from tollhouse.simulator.dialects.base import Incoming, controls_of, dated, decode, pretty, tool_call
from tollhouse.simulator.dialects.openai_responses_stream import stream_events
from tollhouse.simulator.problem import RequestError
from tollhouse.simulator.schema import sample
from tollhouse.simulator.text import created_s, hexadecimal, identifier

Item = dict[str, object]


class _Tool(msgspec.Struct):
    type: str = ""
    name: str = ""
    parameters: object = None


class _Format(msgspec.Struct):
    type: str = "text"
    schema: object = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None


class _Request(msgspec.Struct):
    model: str = ""
    input: str | list[msgspec.Raw] = ""
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: object = "auto"
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    service_tier: str | None = None
    instructions: object = None
    store: bool | None = None
    previous_response_id: str | None = None
    metadata: dict[str, object] | None = None
    user: str | None = None
    temperature: float | None = None
    top_p: float | None = None


_DECODER = msgspec.json.Decoder(_Request)
_ECHO_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


def compose(incoming: Incoming) -> Answer:
    """The answer to a Responses request."""
    ask = _read(incoming)
    amounts = amounts_of(ask)
    items = _items(ask)
    finished = _finished(ask, amounts, items)
    if not ask.stream:
        body = pretty(finished)
        return Answer(
            id=_id(ask),
            dialect="openai_responses",
            model=ask.model,
            content_type=b"application/json",
            amounts=amounts,
            controls=ask.controls,
            body=body + b"\n",
        )
    return stream_events(ask, amounts, _started(ask), finished)


def _read(incoming: Incoming) -> Ask:
    request = decode(_DECODER, incoming.body)
    model = request.model or incoming.path_model
    if not model:
        raise RequestError(400, "Missing required parameter: 'model'.")
    if not request.input:
        raise RequestError(400, "Missing required parameter: 'input'.")
    controls = controls_of(incoming, request.metadata, request.user)
    wanted = request.text.format if request.text else None
    structured: object | None = None
    if wanted is not None and wanted.type != "text":
        structured = {"answer": "toll"} if wanted.schema is None else sample(wanted.schema)
    return Ask(
        seed=incoming.seed,
        model=dated(model),
        stream=bool(request.stream),
        controls=controls,
        body_bytes=len(incoming.body),
        output_limit=request.max_output_tokens,
        tool=_tool(request, controls),
        structured=structured,
        tier=controls.tier or request.service_tier or "auto",
        shape=_echo(request, incoming.body),
    )


def _tool(request: _Request, controls: Controls) -> ToolCall | None:
    functions = [tool for tool in request.tools or () if tool.type == "function"]
    choice = request.tool_choice
    if not functions or not (controls.tool or choice == "required" or isinstance(choice, dict)):
        return None
    wanted = choice.get("name") if isinstance(choice, dict) else None
    function = next((function for function in functions if function.name == wanted), functions[0])
    return tool_call(function.name, function.parameters)


def _echo(request: _Request, body: bytes) -> Item:
    """What the answer repeats from the request, in the order of the real one."""
    raw = _ECHO_DECODER.decode(body)
    reasoning = request.reasoning or _Reasoning()
    encrypted = "reasoning.encrypted_content" in (request.include or ())
    return {
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "parallel_tool_calls": True,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": None,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
        "safety_identifier": None,
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": raw.get("text", {"format": {"type": "text"}, "verbosity": "medium"}),
        "tool_choice": raw.get("tool_choice", "auto"),
        "tools": raw.get("tools", []),
        "top_logprobs": 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": "disabled",
        "user": request.user,
        "metadata": raw.get("metadata", {}),
        "encrypted": encrypted,
    }


def _id(ask: Ask) -> str:
    return "resp_" + hexadecimal(ask.seed, "response", 48)


def _started(ask: Ask) -> Item:
    echo = {key: value for key, value in ask.shape.items() if key != "encrypted"}
    head: Item = {
        "id": _id(ask),
        "object": "response",
        "created_at": created_s(ask.seed),
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": [],
        "service_tier": ask.tier,
    }
    return head | echo | {"usage": None}


def _finished(ask: Ask, amounts: Amounts, items: list[Item]) -> Item:
    cut = is_cut(ask)
    finished = _started(ask) | {
        "status": "incomplete" if cut else "completed",
        "completed_at": None if cut else created_s(ask.seed) + 2,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": items,
        "service_tier": "default" if ask.tier == "auto" else ask.tier,
    }
    if not ask.has(Fault.MISSING_USAGE):
        finished["usage"] = _usage(amounts)
    return finished


def _usage(amounts: Amounts) -> Item:
    details: Item = {"cached_tokens": amounts.cached}
    if amounts.cache_write:
        details["cache_write_tokens"] = amounts.cache_write
    return {
        "input_tokens": amounts.input,
        "input_tokens_details": details,
        "output_tokens": amounts.output,
        "output_tokens_details": {"reasoning_tokens": amounts.reasoning},
        "total_tokens": amounts.input + amounts.output,
    }


def _items(ask: Ask) -> list[Item]:
    items: list[Item] = []
    status = "incomplete" if is_cut(ask) else "completed"
    if ask.controls.reasoning_tokens:
        reasoning: Item = {"id": "rs_" + hexadecimal(ask.seed, "reasoning", 48), "type": "reasoning", "summary": []}
        if ask.shape["encrypted"]:
            reasoning["encrypted_content"] = "gAAAAA" + identifier(ask.seed, "encrypted", 200) + "="
        items.append(reasoning)
    if ask.tool:
        items.append(
            {
                "id": "fc_" + hexadecimal(ask.seed, "function", 48),
                "type": "function_call",
                "status": status,
                "arguments": ask.tool.arguments_json,
                "call_id": "call_" + identifier(ask.seed, "call", 24),
                "name": ask.tool.name,
            }
        )
        return items
    text = "".join(pieces_of(ask))
    part: Item = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    if ask.controls.refusal:
        part = {"type": "refusal", "refusal": text}
    identity = "msg_" + hexadecimal(ask.seed, "message", 48)
    items.append({"id": identity, "type": "message", "status": status, "content": [part], "role": "assistant"})
    return items
