"""OpenAI Embeddings: the answer. Only its usage and model are decoded; the vectors are skipped."""

from __future__ import annotations

import msgspec

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.observing import note
from tollhouse.wire.usage import bounded_usage
from tollhouse.wire.wording import error_code, model_name


class _Answer(msgspec.Struct, gc=False):
    usage: object = None
    model: object = None
    error: object = None


_ANSWERS = msgspec.json.Decoder(_Answer)


class EmbeddingsObserver:
    """Reads one answer into `reported`."""

    def __init__(self) -> None:
        self.reported = Reported()

    def event(self, payload: bytes, event: bytes) -> bool:
        """Embeddings do not stream; an event is counted, not read."""
        self.reported.events += 1
        return False

    def whole(self, body: bytes) -> None:
        """Usage and model, or an error's code."""
        try:
            answer = _ANSWERS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            note(self.reported, "answer_unreadable")
            return
        self.reported.usage, cut = bounded_usage(answer.usage)
        if cut:
            note(self.reported, "usage_cut")
        self.reported.model = model_name(answer.model)
        error = answer.error
        if isinstance(error, dict):
            self.reported.error_code = error_code(error.get("code"), error.get("type"))
        elif error is not None:
            self.reported.error_code = error_code(error)
        self.reported.finished = True

    def end(self) -> None:
        """A whole answer has said all."""
