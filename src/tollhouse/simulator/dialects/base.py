"""What the dialects share: decoding a request, controls inside a body, dated model names, event framing.

Pure. Bodies are decoded into the few fields that shape an answer; everything else is ignored, as unknown fields of
the real providers' newer versions would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from tollhouse.simulator.answer import Answer, ToolCall
from tollhouse.simulator.control import NO_CONTROLS, ControlError, Controls, parse_controls
from tollhouse.simulator.problem import RequestError
from tollhouse.simulator.schema import sample_object

CHOICES_MAX = 128
MARK = "simulate:"

_DATED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
}


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the shell hands it to a dialect."""

    body: bytes
    seed: bytes
    """SHA-256 of the body."""
    controls: Controls | None
    """From the header; None where it did not come, so that the body may speak."""
    path_model: str = ""
    """Where the path carries the model (Gemini, Azure)."""
    verb: str = ""
    """What follows the model's colon in a Gemini path."""
    json_array: bool = False
    method: str = "POST"


Composer = Callable[[Incoming], Answer]
"""Raises RequestError where the real provider would answer 400, 404 or 413."""

Decoded = TypeVar("Decoded")


def decode(decoder: msgspec.json.Decoder[Decoded], body: bytes) -> Decoded:
    """The request's fields; RequestError 400 with the reason where the body cannot be read."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"Invalid request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, f"We could not parse the JSON body of your request. ({error})") from error


def controls_of(incoming: Incoming, *carriers: object) -> Controls:
    """The header's controls, else those of the first body field that has some: text marked `simulate:`, or a mapping
    with a key `simulate`."""
    if incoming.controls is not None:
        return incoming.controls
    for carrier in carriers:
        text = carrier.get("simulate") if isinstance(carrier, Mapping) else carrier
        if text is None and isinstance(carrier, Mapping):
            text = carrier.get("user_id")
        elif isinstance(carrier, Mapping):
            text = f"{MARK}{text}"
        if isinstance(text, str) and text.startswith(MARK):
            return read_controls(text.removeprefix(MARK))
    return NO_CONTROLS


def read_controls(text: str) -> Controls:
    """Controls from text; RequestError 400 if they cannot be understood."""
    try:
        return parse_controls(text)
    except ControlError as error:
        raise RequestError(400, str(error)) from error


def dated(model: str) -> str:
    """The snapshot that OpenAI names when an undated model is asked for."""
    return _DATED.get(model, model)


def tool_call(name: object, schema: object) -> ToolCall:
    """A call of a tool, with arguments that fit its schema."""
    return ToolCall(name=str(name), arguments=sample_object(schema))


def compact(payload: object) -> bytes:
    """JSON without blanks."""
    return msgspec.json.encode(payload)


def pretty(payload: object) -> bytes:
    """JSON with two blanks a level, as OpenAI and Google print what is not streamed."""
    return msgspec.json.format(msgspec.json.encode(payload), indent=2)


def quoted(text: str) -> bytes:
    """A JSON string."""
    return msgspec.json.encode(text)


def split_json(text: str, count: int) -> list[str]:
    """Tool arguments cut into at most `count` deltas, none of them empty."""
    size = max(1, -(-len(text) // max(count, 1)))
    return [text[start : start + size] for start in range(0, len(text), size)]
