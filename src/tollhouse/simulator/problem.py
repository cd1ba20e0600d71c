"""Problem: errors in the shape of each provider, as the answer of an error status and inside a stream.

Pure. Never bills anything.
"""

from __future__ import annotations

import msgspec

from tollhouse.simulator.answer import Answer
from tollhouse.wire.call import Family

_OPENAI: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "unknown_url"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}
_ANTHROPIC: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI: dict[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RequestError(Exception):
    """The request cannot be answered; `status` says how, the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def problem(family: Family, status: int, message: str) -> Answer:
    """An error answer in the family's shape."""
    payload = error_payload(family, status, message)
    if family is Family.ANTHROPIC:
        return Answer(status=status, content_type=b"application/json", body=msgspec.json.encode(payload))
    body = msgspec.json.format(msgspec.json.encode(payload), indent=2)
    charset = b"; charset=UTF-8" if family is Family.GEMINI else b"; charset=utf-8"
    return Answer(status=status, content_type=b"application/json" + charset, body=body + b"\n")


def error_payload(family: Family, status: int, message: str) -> dict[str, object]:
    """The error object of a family; a status without a name of its own counts as an internal error."""
    if family is Family.ANTHROPIC:
        kind = _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if family is Family.GEMINI:
        name = _GEMINI.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        return {"error": {"code": status, "message": message, "status": name}}
    kind, code = _OPENAI.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
