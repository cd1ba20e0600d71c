"""What reading a request has in common in all dialects: valid JSON, typed fields, a model, words for what is wrong.

A message names fields of the dialect, never what stood in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.members import MalformedError, read_object
from tollhouse.wire.wording import is_model

METADATA_MAX = 16
METADATA_VALUE_CHARACTERS_MAX = 512

Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=1024)]

NULL = msgspec.Raw(b"null")

Body = TypeVar("Body")

_PLACE = re.compile(r"`\$\.([A-Za-z_]+)")


class Kind(msgspec.Struct, gc=False):
    """A content part, item or tool by its type alone."""

    type: str = ""


_KINDS = msgspec.json.Decoder(list[Kind])


def read_body(body: bytes, decoder: msgspec.json.Decoder[Body]) -> tuple[Body, dict[str, msgspec.Raw]] | Refusal:
    """The typed fields and the top-level values of a JSON body."""
    try:
        values = read_object(body)
        return decoder.decode(body), values
    except MalformedError as error:
        return bad_request(str(error))
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        field = place.group(1) if place else "a field"
        return bad_request(
            f"`{field}` has the wrong type or is out of range" if place else "a field has the wrong type"
        )
    except RecursionError:
        return bad_request("the body is nested too deeply")


def model_refusal(model: str | None) -> Refusal | None:
    """Why this is not a model's name, or None."""
    if not model:
        return bad_request("`model` is missing")
    if not is_model(model):
        return bad_request("`model` is not a model's name: letters, digits and . _ : / @ + - up to 200 characters")
    return None


def has_unknown(values: Mapping[str, msgspec.Raw], known: frozenset[str]) -> bool:
    """Whether a field is set that we do not know: it may cost what no ceiling covers."""
    if known.issuperset(values):
        return False
    return any(name not in known and bytes(raw) != b"null" for name, raw in values.items())


def string_metadata(metadata: Mapping[str, object] | None) -> dict[str, str]:
    """The string values of `metadata`, bounded in number and length."""
    if not metadata:
        return {}
    strings = {
        key: value
        for key, value in metadata.items()
        if isinstance(value, str) and len(value) <= METADATA_VALUE_CHARACTERS_MAX and len(key) <= 64
    }
    return dict(list(strings.items())[:METADATA_MAX])


def has_other_kinds(raw: msgspec.Raw, plain: frozenset[str]) -> bool:
    """Whether a list of typed objects has a type that is not one of the plain ones; a string is plain.

    An object where a list belongs may be taken for a list of one by somebody, so it is not plain.
    """
    first = bytes(memoryview(raw)[:1])
    if first != b"[":
        # A string, which may be long: it is not even copied.
        return first == b"{"
    try:
        return any(item.type not in plain for item in _KINDS.decode(raw))
    except msgspec.ValidationError:
        return True


def largest(*limits: int | None) -> int | None:
    """The largest of the limits that are set: which one a provider takes is not known."""
    found: int | None = None
    for limit in limits:
        if limit is not None and (found is None or limit > found):
            found = limit
    return found


def bad_request(message: str) -> Refusal:
    """A refusal of the client's body."""
    return Refusal(code=RefusalCode.BAD_REQUEST, message=message)
