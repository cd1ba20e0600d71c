"""Gemini: the answer - one object, events (`alt=sse`), or one JSON array whose elements are what events would be.

`usageMetadata` is cumulative: the last one counts. A prompt that was blocked has `promptFeedback` and no candidates.
An answer ends when its candidates have a finish reason, or the prompt was blocked, and the body ends.
"""

from __future__ import annotations

import msgspec

from tollhouse.wire.call import Reported
from tollhouse.wire.delivered import text_bytes, utf8_bytes
from tollhouse.wire.dialects.observing import note
from tollhouse.wire.dialects.salvage import loose_object
from tollhouse.wire.usage import bounded_usage
from tollhouse.wire.wording import error_code, model_name, response_id, service_tier

_PART_TEXT = ("text", "functionCall", "executableCode")


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    function_call: dict[str, object] | None = msgspec.field(default=None, name="functionCall")
    executable_code: dict[str, object] | None = msgspec.field(default=None, name="executableCode")


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False):
    content: _Content | None = None
    finish_reason: str | None = msgspec.field(default=None, name="finishReason")


class _Feedback(msgspec.Struct, gc=False):
    block_reason: str | None = msgspec.field(default=None, name="blockReason")


class _Answer(msgspec.Struct, gc=False):
    candidates: list[_Candidate] | None = None
    usage: dict[str, object] | None = msgspec.field(default=None, name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")
    id: str | None = msgspec.field(default=None, name="responseId")
    feedback: _Feedback | None = msgspec.field(default=None, name="promptFeedback")
    error: dict[str, object] | None = None


_ANSWERS = msgspec.json.Decoder(_Answer)


class GenerateObserver:
    """Reads one answer, in as many pieces as it comes, into `reported`."""

    def __init__(self, choices: int) -> None:
        self.reported = Reported(choices=choices)
        self._ended = False

    def event(self, payload: bytes, event: bytes) -> bool:
        """Usage rides on pieces that the client needs, so nothing is ever claimed."""
        self.reported.events += 1
        if not self._read(payload):
            note(self.reported, "event_unreadable")
        return False

    def whole(self, body: bytes) -> None:
        """An answer in one piece, or an error."""
        if self._read(body):
            self._ended = True
        else:
            note(self.reported, "answer_unreadable")

    def end(self) -> None:
        """The body ended: complete if something said that no more was to come."""
        self.reported.finished = self._ended

    def _read(self, payload: bytes) -> bool:
        try:
            self._observe(_ANSWERS.decode(payload))
        except msgspec.ValidationError:
            return self._salvage(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def _observe(self, answer: _Answer) -> None:
        reported = self.reported
        for candidate in answer.candidates or ():
            if candidate.content is not None:
                reported.output_bytes += sum(_part_bytes(part) for part in candidate.content.parts or ())
            if candidate.finish_reason:
                self._ended = True
        if answer.feedback is not None and answer.feedback.block_reason:
            self._ended = True
        self._names(answer.id, answer.model, answer.usage)
        if answer.error is not None:
            self._error(answer.error)

    def _salvage(self, payload: bytes) -> bool:
        """A piece of a shape we do not know: what can be had of it."""
        loose = loose_object(payload)
        if loose is None:
            return False
        usage, error, candidates = (loose.get(name) for name in ("usageMetadata", "error", "candidates"))
        feedback = loose.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            self._ended = True
        self._names(loose.get("responseId"), loose.get("modelVersion"), usage if isinstance(usage, dict) else None)
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                self.reported.output_bytes += _loose_bytes(candidate.get("content"))
                self._ended = self._ended or bool(candidate.get("finishReason"))
        if error is not None:
            self._error(error if isinstance(error, dict) else {})
        return True

    def _names(self, identity: object, model: object, usage: dict[str, object] | None) -> None:
        reported = self.reported
        reported.response_id = response_id(identity) or reported.response_id
        reported.model = model_name(model) or reported.model
        if usage is None:
            return
        kept, cut = bounded_usage(usage)
        if cut:
            note(reported, "usage_cut")
        if reported.usage is not None and reported.usage_first is None and kept != reported.usage:
            reported.usage_first = reported.usage
        reported.usage = kept
        reported.service_tier = service_tier(usage.get("serviceTier")) or reported.service_tier

    def _error(self, error: dict[str, object]) -> None:
        self.reported.error_code = error_code(error.get("status"), error.get("code"))


def _part_bytes(part: _Part) -> int:
    if part.text is not None:
        return utf8_bytes(part.text)
    return text_bytes([part.function_call, part.executable_code])


def _loose_bytes(content: object) -> int:
    parts = content.get("parts") if isinstance(content, dict) else None
    return sum(
        text_bytes([part.get(key) for key in _PART_TEXT])
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict)
    )
