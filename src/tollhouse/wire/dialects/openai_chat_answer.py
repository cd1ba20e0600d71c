"""OpenAI Chat Completions, and what compatible providers make of it: the answer.

Usage may ride on a chunk of its own (`choices` empty), on one with choices, in `x_groq.usage`, or repeat cumulatively:
the last one seen counts. A stream ends with `[DONE]`, or, where a provider forgets it, when every choice has a finish
reason and the body ends. Errors may come inside a stream.
"""

from __future__ import annotations

import msgspec

from tollhouse.wire.call import Reported
from tollhouse.wire.delivered import text_bytes, utf8_bytes
from tollhouse.wire.dialects.observing import note
from tollhouse.wire.dialects.salvage import loose_object
from tollhouse.wire.usage import bounded_usage, is_plain_chat
from tollhouse.wire.wording import error_code, model_name, response_id, service_tier

_DONE = b"[DONE]"
_NOT_TEXT = frozenset(("role", "id", "type", "index", "name", "format"))


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class _Groq(msgspec.Struct, gc=False):
    usage: dict[str, object] | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, object] | None = None
    model: str | None = None
    id: str | None = None
    service_tier: str | None = None
    x_groq: _Groq | None = None
    error: object = None


_CHUNKS = msgspec.json.Decoder(_Chunk)


class ChatObserver:
    """Reads chunks or a whole completion into `reported`."""

    def __init__(self, choices: int) -> None:
        self.reported = Reported(choices=choices)
        self._ended: set[int] = set()

    def event(self, payload: bytes, event: bytes) -> bool:
        """True for a chunk without choices whose one purpose is its usage."""
        reported = self.reported
        reported.events += 1
        if payload == _DONE:
            reported.finished = True
            return False
        try:
            chunk = _CHUNKS.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            salvaged = self._decode(payload)
            if salvaged is None:
                note(reported, "event_unreadable")
                return False
            chunk = salvaged
        self._observe(chunk)
        return chunk.usage is not None and chunk.choices == [] and chunk.error is None

    def whole(self, body: bytes) -> None:
        """A completion in one piece, or an error."""
        completion = self._decode(body)
        if completion is None:
            note(self.reported, "answer_unreadable")
            return
        self._observe(completion)
        for choice in completion.choices or ():
            if choice.message is not None:
                self.reported.output_bytes += _delta_bytes(choice.message)
        self.reported.finished = True

    def end(self) -> None:
        """Without `[DONE]`: ended if every choice has said so."""
        if len(self._ended) >= self.reported.choices:
            self.reported.finished = True

    def _decode(self, payload: bytes) -> _Chunk | None:
        try:
            return _CHUNKS.decode(payload)
        except msgspec.ValidationError:
            return self._salvage(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _salvage(self, payload: bytes) -> _Chunk | None:
        """A chunk of a shape we do not know: what can be had of it. Its text is counted here."""
        loose = loose_object(payload)
        if loose is None:
            return None
        groq = loose.get("x_groq")
        usage = loose.get("usage") or (groq.get("usage") if isinstance(groq, dict) else None)
        choices = loose.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._observe_loose(choice)
        return _Chunk(
            choices=[] if choices == [] else None,
            usage=usage if isinstance(usage, dict) else None,
            model=model_name(loose.get("model")),
            id=response_id(loose.get("id")),
            service_tier=service_tier(loose.get("service_tier")),
            error=loose.get("error"),
        )

    def _observe_loose(self, choice: dict[str, object]) -> None:
        index = choice.get("index")
        if choice.get("finish_reason") and len(self._ended) < self.reported.choices:
            self._ended.add(index if isinstance(index, int) else 0)
        for name in ("delta", "message"):
            part = choice.get(name)
            if isinstance(part, dict):
                texts = [value for key, value in part.items() if key not in _NOT_TEXT]
                self.reported.output_bytes += text_bytes(texts)

    def _observe(self, chunk: _Chunk) -> None:
        reported = self.reported
        if reported.model is None:
            reported.model = model_name(chunk.model)
        if reported.response_id is None:
            reported.response_id = response_id(chunk.id)
        if chunk.service_tier is not None and chunk.service_tier != reported.service_tier:
            reported.service_tier = service_tier(chunk.service_tier) or reported.service_tier
        for choice in chunk.choices or ():
            # Beside `delta` some repeat the whole `message` so far in every chunk.
            delta = choice.delta
            if delta is not None:
                reported.output_bytes += _delta_bytes(delta)
            if choice.finish_reason and len(self._ended) < reported.choices:
                self._ended.add(choice.index)
        usage = chunk.usage
        if usage is None and chunk.x_groq is not None:
            usage = chunk.x_groq.usage
        if usage is not None:
            self._keep_usage(usage)
        if chunk.error is not None:
            reported.error_code = _code(chunk.error)

    def _keep_usage(self, usage: dict[str, object]) -> None:
        plain = is_plain_chat(usage)
        kept, cut = (usage, False) if plain else bounded_usage(usage)
        if cut:
            note(self.reported, "usage_cut")
        self.reported.usage_plain = plain
        if self.reported.usage is not None and self.reported.usage_first is None and kept != self.reported.usage:
            self.reported.usage_first = self.reported.usage
        self.reported.usage = kept


def _delta_bytes(delta: _Delta) -> int:
    """Text, reasoning and tool arguments. Two names for the same reasoning count once."""
    text = delta.content
    size = (len(text) if text.isascii() else utf8_bytes(text)) if text else 0
    reasoning = delta.reasoning_content or delta.reasoning
    if reasoning:
        size += utf8_bytes(reasoning)
    if delta.refusal:
        size += utf8_bytes(delta.refusal)
    if delta.tool_calls:
        for call in delta.tool_calls:
            if call.function is not None:
                size += _function_bytes(call.function)
    if delta.function_call is not None:
        size += _function_bytes(delta.function_call)
    return size


def _function_bytes(function: _Function) -> int:
    return utf8_bytes(function.name or "") + utf8_bytes(function.arguments or "")


def _code(error: object) -> str:
    """The code or type of an `error` member, which providers fill with objects, strings and numbers."""
    if not isinstance(error, dict):
        return error_code(error)
    code, kind = error.get("code"), error.get("type")
    return error_code(code if isinstance(code, str) else None, kind, error.get("status"), code)
