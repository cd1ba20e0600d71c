"""Answer: what a request asks once its dialect is read away, and the answer made for it.

Pure records and the arithmetic both share. Token amounts follow OpenTelemetry: `input` is all input, cached parts
included; `output` is all output, reasoning included; each dialect writes them in its own way.
"""

from __future__ import annotations

import msgspec

from tollhouse.simulator.control import NO_CONTROLS, Controls, Fault
from tollhouse.simulator.text import words

BYTES_PER_TOKEN = 4
CHUNKS_DEFAULT_MAX = 256
WORDS_MAX = 200_000
"""Text is made up to this many words, whatever number of tokens is reported."""


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer over all of its choices."""

    input: int
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    """All tokens written into a cache, whatever their time to live."""
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def fresh_input(self) -> int:
        """Input that was neither read from nor written to a cache."""
        return self.input - self.cached - self.cache_write


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """The function that an answer calls."""

    name: str
    arguments: dict[str, object]

    @property
    def arguments_json(self) -> str:
        """The arguments as compact JSON text."""
        return msgspec.json.encode(self.arguments).decode()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request, dialect read away."""

    seed: bytes
    model: str
    stream: bool
    controls: Controls
    body_bytes: int
    output_limit: int | None = None
    choices: int = 1
    tool: ToolCall | None = None
    structured: object | None = None
    """A value for the schema that the answer must satisfy."""
    asked_usage: bool = True
    tier: str | None = None
    json_array: bool = False
    """Gemini: a stream that is one JSON array, not events."""
    shape: dict[str, object] = {}
    """What a dialect repeats from the request in its answer (Responses)."""

    def has(self, fault: Fault) -> bool:
        """Whether this fault was asked for."""
        return fault in self.controls.faults


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer ready to be sent: either `body`, or `events` with what has been generated after each."""

    content_type: bytes
    id: str = ""
    dialect: str = ""
    model: str = ""
    status: int = 200
    amounts: Amounts | None = None
    """None where a provider would bill nothing."""
    body: bytes = b""
    events: list[bytes] | None = None
    generated: list[int] = []
    """Output tokens generated once the event of this index is out; as long as `events`."""
    usage_at: int | None = None
    """Index of the last event with usage."""
    error_event: bytes = b""
    """How this dialect tells of an error inside a stream."""
    controls: Controls = NO_CONTROLS
    """The controls that the answer was made under, wherever they stood."""
    headers: list[tuple[bytes, bytes]] = []
    """Beyond those of every answer of its provider."""


def amounts_of(ask: Ask) -> Amounts:
    """What the answer counts: as the controls say, else a number that follows from the request alone."""
    controls = ask.controls
    cache_write = controls.cache_write_tokens + controls.cache_write_1h_tokens
    asked_input = controls.input_tokens
    if asked_input is None:
        asked_input = -(-ask.body_bytes // BYTES_PER_TOKEN)
    output = output_of_choice(ask)
    return Amounts(
        input=max(asked_input, controls.cached_tokens + cache_write),
        output=output * ask.choices,
        cached=controls.cached_tokens,
        cache_write=cache_write,
        cache_write_1h=controls.cache_write_1h_tokens,
        reasoning=min(controls.reasoning_tokens, output) * ask.choices,
    )


def output_of_choice(ask: Ask) -> int:
    """Output tokens of one choice, reasoning included, within the request's limit unless told to break it."""
    wanted = _wanted_output(ask)
    if ask.output_limit is None or ask.controls.over_limit:
        return wanted
    return min(wanted, ask.output_limit)


def is_cut(ask: Ask) -> bool:
    """Whether the request's own limit ended the answer."""
    limit = ask.output_limit
    return limit is not None and not ask.controls.over_limit and _wanted_output(ask) > limit


def pieces_of(ask: Ask) -> list[str]:
    """The text of one choice, cut as its content deltas will be."""
    controls = ask.controls
    pieces = _cut(ask, _text(ask))
    if controls.chunk_bytes is not None:
        size = controls.chunk_bytes
        pieces = [(piece or " ").ljust(size, "~")[:size] for piece in pieces]
    if Fault.HUGE_LINE in controls.faults:
        pieces[0] = "x" * controls.faults[Fault.HUGE_LINE]
    return pieces


def generated_after(amounts: Amounts, done: int, total: int) -> int:
    """Output tokens generated once `done` of `total` pieces are out; reasoning comes before all of them."""
    visible = amounts.output - amounts.reasoning
    return amounts.reasoning + (-(-visible * done // total) if total else visible)


def _wanted_output(ask: Ask) -> int:
    wanted = ask.controls.output_tokens
    if wanted is None:
        wanted = 12 + ask.seed[0] % 12
    return max(wanted, ask.controls.reasoning_tokens)


def _text(ask: Ask) -> list[str]:
    if ask.controls.refusal:
        return ["I'm sorry,", " but I can't", " help with that."]
    if ask.structured is not None:
        text = msgspec.json.encode(ask.structured).decode()
        return [text[start : start + 8] for start in range(0, len(text), 8)]
    if ask.controls.text is not None:
        return [" " * bool(index) + word for index, word in enumerate(ask.controls.text.split(" "))]
    visible = output_of_choice(ask) - min(ask.controls.reasoning_tokens, output_of_choice(ask))
    return words(ask.seed, min(max(visible, 1), WORDS_MAX))


def _cut(ask: Ask, parts: list[str]) -> list[str]:
    length = len(parts)
    count = ask.controls.chunks or min(length, CHUNKS_DEFAULT_MAX)
    if count == length:
        return list(parts)
    if count < length:
        return ["".join(parts[index * length // count : (index + 1) * length // count]) for index in range(count)]
    filler = "" if ask.structured is not None else " on"
    return list(parts) + [filler] * (count - length)
