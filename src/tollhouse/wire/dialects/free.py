"""Calls that providers do not bill: model lists, token counts, looking at a stored answer again."""

from __future__ import annotations

import msgspec

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Operation, Route
from tollhouse.wire.dialects.reading import model_refusal, read_body


class _Request(msgspec.Struct, gc=False):
    model: str | None = None


_DECODER = msgspec.json.Decoder(_Request)


def read_request(route: Route, body: bytes) -> Call | Refusal:
    """The call. Only a token count has a body that is looked at, for the model that policies ask about."""
    if route.operation is not Operation.COUNT_TOKENS:
        return _free(route, "", b"" if route.operation is Operation.MODELS else body)
    read = read_body(body, _DECODER)
    if isinstance(read, Refusal):
        return read
    model = route.model or read[0].model
    return model_refusal(model) or _free(route, model or "", body)


def _free(route: Route, model: str, body: bytes) -> Call:
    return Call(route=route, model=model, stream=False, body=body, max_output_tokens=0)
