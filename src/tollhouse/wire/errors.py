"""Error bodies in the shape that each family's SDK parses into its own error classes.

Every body carries the house's stable code and the request id. SDKs choose the class by the status; what they show as
type or status is the family's own word for that status.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from tollhouse.wire.call import Family

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BEDROCK_TYPES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    429: "ThrottlingException",
    502: "ModelErrorException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}


def error_body(family: Family, code: str, status: int, message: str, request_id: str) -> bytes:
    """A JSON error body; `code` is a refusal's code, `request_id` as users see it."""
    match family:
        case Family.OPENAI:
            body = _openai(code, status, message, request_id)
        case Family.ANTHROPIC:
            body = _anthropic(code, status, message, request_id)
        case Family.GEMINI:
            body = _gemini(code, status, message, request_id)
        case Family.BEDROCK:
            body = {"message": message, "__type": bedrock_type(status), "code": code, "request_id": request_id}
        case _:
            assert_never(family)
    return msgspec.json.encode(body)


def bedrock_type(status: int) -> str:
    """The exception's name, which AWS SDKs read from the header `x-amzn-errortype`."""
    return _BEDROCK_TYPES.get(status, "InternalServerException")


def _openai(code: str, status: int, message: str, request_id: str) -> dict[str, object]:
    kind = _OPENAI_TYPES.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code, "request_id": request_id}}


def _anthropic(code: str, status: int, message: str, request_id: str) -> dict[str, object]:
    kind = _ANTHROPIC_TYPES.get(status, "api_error")
    # The SDK reads the code from `details`.
    return {
        "type": "error",
        "error": {"type": kind, "message": message, "code": code, "details": {"error_code": code}},
        "request_id": request_id,
    }


def _gemini(code: str, status: int, message: str, request_id: str) -> dict[str, object]:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": code,
        "domain": "tollhouse",
        "metadata": {"request_id": request_id},
    }
    word = _GEMINI_STATUSES.get(status, "INTERNAL")
    return {"error": {"code": status, "message": message, "status": word, "details": [info]}}
