"""Anthropic Messages: the answer, whole or as events.

The input side of the usage comes with `message_start`, the output side with the last `message_delta`, which is
cumulative and replaces what came before; input-side totals that it repeats win over those of the start. So `usage`
is the start's with every non-null field of the last delta over it, and `usage_first` is the start's own.
"""

from __future__ import annotations

import msgspec

from tollhouse.wire.call import Reported
from tollhouse.wire.delivered import text_bytes, utf8_bytes
from tollhouse.wire.dialects.observing import note
from tollhouse.wire.dialects.salvage import loose_object
from tollhouse.wire.usage import bounded_usage
from tollhouse.wire.wording import error_code, model_name, response_id, service_tier

_BLOCK_TEXT = ("text", "thinking", "input")


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: dict[str, object] | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: _Delta | None = None
    message: _Message | None = None
    usage: dict[str, object] | None = None
    error: dict[str, object] | None = None


class _Answer(msgspec.Struct, gc=False):
    id: object = None
    model: object = None
    usage: object = None
    content: object = None
    error: object = None


_EVENTS = msgspec.json.Decoder(_Event)
_ANSWERS = msgspec.json.Decoder(_Answer)


class MessagesObserver:
    """Reads events or a whole message into `reported`."""

    def __init__(self) -> None:
        self.reported = Reported()
        self._start: dict[str, object] = {}
        self._last: dict[str, object] = {}

    def event(self, payload: bytes, event: bytes) -> bool:
        """Usage rides on events that the client needs, so nothing is ever claimed."""
        self.reported.events += 1
        try:
            read = _EVENTS.decode(payload)
        except msgspec.ValidationError:
            self._salvage(payload)
            return False
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if payload != b"[DONE]":
                note(self.reported, "event_unreadable")
            return False
        self._observe(read)
        return False

    def whole(self, body: bytes) -> None:
        """A message in one piece, or an error."""
        try:
            answer = _ANSWERS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            note(self.reported, "answer_unreadable")
            return
        self._names(answer.id, answer.model)
        if isinstance(answer.usage, dict):
            self._last = answer.usage
            self._settle()
        for block in answer.content if isinstance(answer.content, list) else ():
            if isinstance(block, dict):
                self.reported.output_bytes += text_bytes([block.get(key) for key in _BLOCK_TEXT])
        if answer.error is not None:
            self._error(answer.error)
        self.reported.finished = True

    def end(self) -> None:
        """`message_stop` said whether the answer was complete. The start's output is only where it stood then: of a
        stream that never said more, it is not taken for the whole."""
        if self.reported.finished and self._start and not self._last and self.reported.usage:
            self.reported.usage.pop("output_tokens", None)

    def _observe(self, read: _Event) -> None:
        kind = read.type
        if kind == "content_block_delta":
            delta = read.delta
            if delta is not None:
                # One of the three, by the kind of block.
                self.reported.output_bytes += utf8_bytes(delta.text or delta.partial_json or delta.thinking or "")
        elif kind == "message_start":
            if read.message is not None:
                self._names(read.message.id, read.message.model)
                if read.message.usage is not None:
                    self._start = read.message.usage
                    self._settle()
        elif kind == "message_delta":
            if read.usage is not None:
                self._last = read.usage
                self._settle()
        elif kind == "message_stop":
            self.reported.finished = True
        elif kind == "error" or read.error is not None:
            self._error(read.error)

    def _salvage(self, payload: bytes) -> None:
        """An event of a shape we do not know: what can be had of it."""
        loose = loose_object(payload)
        if loose is None:
            note(self.reported, "event_unreadable")
            return
        kind, message, usage, delta = (loose.get(name) for name in ("type", "message", "usage", "delta"))
        if kind == "message_start" and isinstance(message, dict):
            self._names(message.get("id"), message.get("model"))
            if isinstance(message.get("usage"), dict):
                self._start = message["usage"]
                self._settle()
        elif kind == "message_delta" and isinstance(usage, dict):
            self._last = usage
            self._settle()
        elif kind == "content_block_delta" and isinstance(delta, dict):
            self.reported.output_bytes += text_bytes([delta.get(key) for key in ("text", "partial_json", "thinking")])
        elif kind == "message_stop":
            self.reported.finished = True
        elif kind == "error" or loose.get("error") is not None:
            self._error(loose.get("error"))
        else:
            note(self.reported, "event_unreadable")

    def _settle(self) -> None:
        """Start and last delta make the usage that counts."""
        merged = dict(self._start)
        merged.update((key, value) for key, value in self._last.items() if value is not None)
        reported = self.reported
        reported.usage, cut = bounded_usage(merged)
        if cut:
            note(reported, "usage_cut")
        if self._start and self._last:
            reported.usage_first, _ = bounded_usage(self._start)
        reported.service_tier = service_tier(merged.get("service_tier")) or reported.service_tier

    def _names(self, identity: object, model: object) -> None:
        self.reported.response_id = response_id(identity) or self.reported.response_id
        self.reported.model = model_name(model) or self.reported.model

    def _error(self, error: object) -> None:
        details = error if isinstance(error, dict) else {}
        self.reported.error_code = error_code(details.get("type"), details.get("code"))
