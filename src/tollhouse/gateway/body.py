"""Reading a request's body within its bounds. Says no as soon as it is known, before more is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tollhouse.gateway.record import BODY_TOO_SLOW, CallRecord, ClientGoneError
from tollhouse.gateway.request import Request
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError
from tollhouse.settings import Limits

ENCODED = Refusal(code=RefusalCode.BAD_REQUEST, message="Send the request body without a content-encoding.")
HOST = Refusal(code=RefusalCode.BAD_REQUEST, message="Send exactly one Host header.")
NOT_JSON = Refusal(code=RefusalCode.BAD_REQUEST, message="Send this request as content-type application/json.")


async def read_body(record: CallRecord, request: Request, limits: Limits) -> bytes:
    """All of the body; RefusedError if it is too large, too slow or encoded, ClientGoneError if the client leaves."""
    _check_head(request, limits)
    whole = request.edge.take_body()
    if whole is not None:
        # The ordinary case: the body came with the head.
        record.request_bytes = len(whole)
        if len(whole) > limits.body_bytes_max:
            raise RefusedError(too_large(limits))
        return whole
    parts: list[bytes] = []
    size = 0
    while True:
        message = await _receive(record, request)
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        record.request_bytes = size
        if size > limits.body_bytes_max:
            raise RefusedError(too_large(limits))
        if part:
            parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(limits: Limits) -> Refusal:
    """The refusal of a body beyond the bound."""
    return Refusal(
        code=RefusalCode.TOO_LARGE,
        message=f"The request body is larger than the {limits.body_bytes_max} bytes that this gateway takes.",
    )


async def _receive(record: CallRecord, request: Request) -> Mapping[str, Any]:
    try:
        return await request.receive()
    except asyncio.CancelledError:
        if not record.body_too_slow:
            raise
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        raise RefusedError(BODY_TOO_SLOW) from None


def _check_head(request: Request, limits: Limits) -> None:
    fields = request.fields
    if request.head_too_long:
        raise RefusedError(
            Refusal(
                code=RefusalCode.TOO_LARGE,
                message=f"The request head is larger than {limits.head_bytes_max} bytes "
                f"or {limits.head_fields_max} fields.",
            )
        )
    if b"host" not in fields or (len(fields) < len(request.headers) and _has_two_hosts(request)):
        raise RefusedError(HOST)
    declared = fields.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limits.body_bytes_max:
        raise RefusedError(too_large(limits))
    if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        raise RefusedError(ENCODED)
    if request.method != "POST" or request.raw_path.startswith("/providers/") or declared == b"0":
        return
    content_type = fields.get(b"content-type")
    if content_type is not None and b"json" not in content_type.lower():
        raise RefusedError(NOT_JSON)


def _has_two_hosts(request: Request) -> bool:
    return sum(name == b"host" for name, _ in request.headers) > 1
