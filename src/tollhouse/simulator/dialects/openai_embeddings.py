"""OpenAI Embeddings: vectors of unit length that follow from the text alone, as floats or base64.

Pure. Only input is billed.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct

import msgspec

from tollhouse.simulator.answer import BYTES_PER_TOKEN, Amounts, Answer
from tollhouse.simulator.control import Fault
from tollhouse.simulator.dialects.base import Incoming, controls_of, decode, pretty
from tollhouse.simulator.problem import RequestError

INPUTS_MAX = 2048
DIMENSIONS_MAX = 3072
DIMENSIONS_DEFAULT = 1536
_LARGE = "text-embedding-3-large"


class _Request(msgspec.Struct):
    input: str | list[object]
    model: str = ""
    encoding_format: str = "float"
    dimensions: int | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(_Request)


def compose(incoming: Incoming) -> Answer:
    """The answer to an embeddings request."""
    request = decode(_DECODER, incoming.body)
    model = request.model or incoming.path_model
    if not model:
        raise RequestError(400, "you must provide a model parameter")
    inputs = _inputs(request.input)
    dimensions = request.dimensions or (DIMENSIONS_MAX if model == _LARGE else DIMENSIONS_DEFAULT)
    if not inputs or len(inputs) > INPUTS_MAX or not 1 <= dimensions <= DIMENSIONS_MAX:
        raise RequestError(400, f"'$.input' takes 1 to {INPUTS_MAX} texts, 'dimensions' 1 to {DIMENSIONS_MAX}.")
    controls = controls_of(incoming, request.user)
    tokens = controls.input_tokens
    if tokens is None:
        tokens = sum(_tokens(item) for item in inputs)
    payload: dict[str, object] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(item, dimensions, request.encoding_format)}
            for index, item in enumerate(inputs)
        ],
        "model": model,
    }
    if Fault.MISSING_USAGE not in controls.faults:
        payload["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(
        dialect="openai_embeddings",
        model=model,
        content_type=b"application/json",
        amounts=Amounts(input=tokens),
        controls=controls,
        body=pretty(payload) + b"\n",
    )


def _inputs(value: str | list[object]) -> list[object]:
    """Texts and token lists; a flat list of numbers is one text already cut into tokens."""
    if isinstance(value, str):
        return [value]
    return [value] if value and isinstance(value[0], int) else value


def _tokens(item: object) -> int:
    if isinstance(item, list):
        return len(item)
    return max(1, -(-len(str(item).encode()) // BYTES_PER_TOKEN))


def _vector(item: object, dimensions: int, encoding: str) -> str | list[float]:
    noise = hashlib.shake_256(repr(item).encode()).digest(dimensions)
    values = [value - 127.5 for value in noise]
    length = math.sqrt(sum(value * value for value in values))
    packed = struct.pack(f"<{dimensions}f", *(value / length for value in values))
    if encoding == "base64":
        return base64.b64encode(packed).decode()
    return [round(value, 9) for value in struct.unpack(f"<{dimensions}f", packed)]
