"""Reading a request's body within its bounds. Says no as soon as it is known, before more is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tollhouse.gateway.request import Request
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError
from tollhouse.settings import Limits

ENCODED = Refusal(code=RefusalCode.BAD_REQUEST, message="Send the request body without a content-encoding.")
HOST = Refusal(code=RefusalCode.BAD_REQUEST, message="Send exactly one Host header.")
NOT_JSON = Refusal(code=RefusalCode.BAD_REQUEST, message="Send this request as content-type application/json.")


class Meter(Protocol):
    """Who is told how much of a body has come."""

    request_bytes: int


def objection_to(request: Request, fields: Mapping[bytes, bytes]) -> Refusal | None:
    """Why the body is not read, as far as the head's fields tell; None where it is."""
    if b"host" not in fields or (len(fields) < len(request.headers) and _has_two_hosts(request)):
        return HOST
    if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        return ENCODED
    if request.method != b"POST" or request.target.startswith(b"/providers/"):
        return None
    content_type = fields.get(b"content-type")
    return None if content_type is None or b"json" in content_type.lower() else NOT_JSON


async def read_body(meter: Meter, request: Request, objection: Refusal | None, limits: Limits) -> bytes:
    """All of the body; RefusedError if it is too large or not to be read, ClientGoneError if the client leaves."""
    length = request.length
    if request.head_too_long:
        raise RefusedError(_head_too_large(limits))
    if length is not None and int(length) > limits.body_bytes_max:
        raise RefusedError(too_large(limits))
    # A request without a body needs no type for it.
    if objection is not None and not (objection is NOT_JSON and length == b"0"):
        raise RefusedError(objection)
    whole = request.take_body()
    if whole is not None:
        # The ordinary case: the body came with the head.
        meter.request_bytes = len(whole)
        if len(whole) > limits.body_bytes_max:
            raise RefusedError(too_large(limits))
        return whole
    parts: list[bytes] = []
    size = 0
    while part := await request.read():
        size += len(part)
        meter.request_bytes = size
        if size > limits.body_bytes_max:
            raise RefusedError(too_large(limits))
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(limits: Limits) -> Refusal:
    """The refusal of a body beyond the bound."""
    return Refusal(
        code=RefusalCode.TOO_LARGE,
        message=f"The request body is larger than the {limits.body_bytes_max} bytes that this gateway takes.",
    )


def _head_too_large(limits: Limits) -> Refusal:
    return Refusal(
        code=RefusalCode.TOO_LARGE,
        message=f"The request head is larger than {limits.head_bytes_max} bytes or {limits.head_fields_max} fields.",
    )


def _has_two_hosts(request: Request) -> bool:
    return sum(name == b"host" for name, _ in request.headers) > 1
