"""Refusal: an expected *no*, as a value. Each has one stable code, one status, one sentence.

A rule returns `Evidence | Refusal`; `admit` turns a refusal into control flow, and `gateway/respond.py`
alone turns it into the error body of the client's dialect. A refusal never echoes input.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import msgspec


class RefusalCode(Enum):
    """(code, HTTP status); the codes are part of the interface."""

    UNAUTHENTICATED = ("unauthenticated", 401)
    FORBIDDEN = ("forbidden", 403)
    POLICY_DENIED = ("policy_denied", 403)
    BUDGET_EXCEEDED = ("budget_exceeded", 402)
    CEILING_UNKNOWN = ("ceiling_unknown", 402)
    BUDGET_HELD = ("budget_held", 429)
    RATE_LIMITED = ("rate_limited", 429)
    TOO_LARGE = ("too_large", 413)
    BAD_REQUEST = ("bad_request", 400)
    REQUEST_TIMEOUT = ("request_timeout", 408)
    NO_ROUTE = ("no_route", 404)
    PROVIDER_UNREACHABLE = ("provider_unreachable", 502)
    PROVIDER_TIMEOUT = ("provider_timeout", 504)
    UNAVAILABLE = ("unavailable", 503)
    INTERNAL = ("internal", 500)

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call does not go on, in words for its caller. `retry_after_s` where waiting helps."""

    code: RefusalCode
    message: str
    retry_after_s: int | None = None


class RefusedError(Exception):
    """Carries a refusal out of the corridor to the one place that answers it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code.code)
        self.refusal = refusal


Evidence = TypeVar("Evidence")


def admit(verdict: Evidence | Refusal) -> Evidence:
    """The evidence, or `RefusedError` if there is none."""
    if isinstance(verdict, Refusal):
        raise RefusedError(verdict)
    return verdict
