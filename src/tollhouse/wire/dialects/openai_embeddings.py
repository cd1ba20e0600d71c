"""OpenAI Embeddings: the request. No stream, no output tokens; the input is text or token numbers in the body."""

from __future__ import annotations

import msgspec

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.reading import has_unknown, model_refusal, read_body

KNOWN_FIELDS = frozenset("model input encoding_format dimensions user truncate input_type task metadata".split())  # noqa: SIM905


class _Request(msgspec.Struct, gc=False):
    model: str | None = None


_DECODER = msgspec.json.Decoder(_Request)
_TEXT_OR_NUMBERS = msgspec.json.Decoder(str | list[str | int | list[int]] | None)


def read_request(route: Route, body: bytes) -> Call | Refusal:
    """The call, or why its body cannot be served."""
    read = read_body(body, _DECODER)
    if isinstance(read, Refusal):
        return read
    request, values = read
    refusal = model_refusal(request.model)
    if refusal is not None:
        return refusal
    return Call(
        route=route,
        model=request.model or "",
        stream=False,
        body=body,
        max_output_tokens=0,
        referenced="input" in values and _is_structured(bytes(values["input"])),
        unbounded=has_unknown(values, KNOWN_FIELDS),
    )


def _is_structured(value: bytes) -> bool:
    """Compatibles take images as objects in `input`; their bytes are no bound of their tokens."""
    if b"{" not in value:
        return False
    try:
        _TEXT_OR_NUMBERS.decode(value)
    except msgspec.ValidationError:
        return True
    return False
