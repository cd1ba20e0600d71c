"""Identifiers. A call's id is a UUIDv7: its start can be read from it, and rows stay unique over time partitions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NewType

TenantId = NewType("TenantId", str)
"""A UUID in its dashed form; the workspace that owns a row."""
KeyId = NewType("KeyId", str)
"""The 12 base62 characters by which a gateway key is known; not secret."""
CallId = NewType("CallId", str)
"""A UUIDv7 as 32 lower-case hex digits; shown to users as `req_` followed by it."""

DEFAULT_TENANT = TenantId("00000000-0000-7000-8000-000000000001")

REQUEST_PREFIX = "req_"
_VARIANT = "89ab"


def call_id(unix_ms: int, randomness: bytes) -> CallId:
    """A UUIDv7 (RFC 9562) of a moment in Unix milliseconds and ten random bytes."""
    digits = randomness.hex()
    # The variant's two bits leave two bits of this digit to chance: the fifth digit's, which are used nowhere else.
    return CallId(f"{unix_ms:012x}7{digits[:3]}{_VARIANT[randomness[2] >> 4 & 3]}{digits[5:20]}")


def request_id(call: CallId) -> str:
    """The form of a call's id that users see."""
    return REQUEST_PREFIX + call


def parse_request_id(text: str) -> CallId:
    """A call id from what a user typed, with or without its prefix or dashes; ValueError if it is none."""
    digits = text.removeprefix(REQUEST_PREFIX).replace("-", "").lower()
    if len(digits) != 32 or any(c not in "0123456789abcdef" for c in digits):
        raise ValueError(f"not a request id: expected {REQUEST_PREFIX} and 32 hex digits")
    return CallId(digits)


def started_ms(call: CallId) -> int:
    """Unix milliseconds embedded in a call id."""
    return int(call[:12], 16)


def started_at(call: CallId) -> datetime:
    """The moment embedded in a call id, aware UTC."""
    ms = started_ms(call)
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
