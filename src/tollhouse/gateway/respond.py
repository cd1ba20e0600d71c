"""The one place where a refusal becomes an answer, in the client's dialect."""

from __future__ import annotations

from collections.abc import Container

from tollhouse.gateway.request import Request
from tollhouse.kernel.ids import request_id
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.call import Family
from tollhouse.wire.errors import error_body

REQUEST_ID_HEADER = b"x-tollhouse-request-id"
SDK_REQUEST_ID = {Family.ANTHROPIC: b"request-id", Family.BEDROCK: b"x-amzn-requestid"}
RETRYABLE = frozenset(("budget_held", "rate_limited", "unavailable", "provider_unreachable", "provider_timeout"))


def family_of(raw_path: str, header_names: Container[str]) -> Family:
    """Whose SDK sent a path that is none of ours: so that even this refusal is in a shape that it can read."""
    if "messages" in raw_path or "anthropic-version" in header_names:
        return Family.ANTHROPIC
    if "enerateContent" in raw_path or "v1beta" in raw_path or "x-goog-api-key" in header_names:
        return Family.GEMINI
    if raw_path.startswith("/model/"):
        return Family.BEDROCK
    return Family.OPENAI


def refuse(request: Request, refusal: Refusal, family: Family) -> None:
    """Sends a refusal: its status, the dialect's error shape, the request id, and whether a retry makes sense."""
    code = refusal.code
    identity = request_id(request.call_id)
    headers = [
        (b"content-type", b"application/json"),
        (REQUEST_ID_HEADER, identity.encode()),
        # Where SDKs look for the id that their exceptions show.
        (SDK_REQUEST_ID.get(family, b"x-request-id"), identity.encode()),
        (b"x-should-retry", b"true" if code.code in RETRYABLE else b"false"),
    ]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    if code in (RefusalCode.TOO_LARGE, RefusalCode.REQUEST_TIMEOUT):
        request.keep_alive = False
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    request.edge.whole(code.status, lines, error_body(family, code.code, code.status, refusal.message, identity))
