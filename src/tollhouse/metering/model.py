"""Usage: counted quantities by kind, and where they come from. Records only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class UsageSource(StrEnum):
    """`reported` by the provider; `partial`: input reported, output estimated from what was delivered;
    `estimated`: nothing reported; `none`: nothing was billed (refused, error status without usage, free operation)."""

    REPORTED = "reported"
    PARTIAL = "partial"
    ESTIMATED = "estimated"
    NONE = "none"


class Flag(StrEnum):
    """What was odd about a usage object; stored with the call, in `Usage.flags`."""

    INCONSISTENT = "usage_inconsistent"
    """No reading makes the counts add up to the reported total, or a part is larger than its whole."""
    INVALID = "usage_invalid"
    """A count was negative, not a whole number, or above a hundred million; it was taken as not reported."""
    MISSING = "usage_missing"
    """A usage object without the count of a whole side; that side was estimated."""
    UNKNOWN_FIELD = "usage_unknown_field"
    """A key that no rule knows; what it counts, if it counts, was not priced."""
    OTHER_MODEL = "usage_other_model"
    """Part of the answer came from another model and is billed at that model's rates (Anthropic's advisor)."""
    UNMETERED = "unmetered"
    """A shape that cannot be read; the cost is unknown."""


class Shape(StrEnum):
    """The form of a usage object, which need not be the dialect that carried it."""

    CHAT = "chat"
    """`prompt_tokens`, `completion_tokens`; also embeddings and most compatibles."""
    RESPONSES = "responses"
    """OpenAI's `input_tokens` with everything inside."""
    ANTHROPIC = "anthropic"
    """`input_tokens` without what was read from or written to the cache."""
    GEMINI = "gemini"
    CONVERSE = "converse"
    """Bedrock's camel case."""
    IMAGES = "images"
    """Image endpoints: text and image tokens apart."""
    TRANSCRIPTION = "transcription"
    """Audio in, text out; in tokens or in seconds."""
    REALTIME = "realtime"
    """Text, audio and images apart on both sides, cached ones too."""


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a tally needs to know of the call beside the answer, for estimates."""

    body_bytes: int = 0
    """Bytes of the request's body."""
    status: int | None = 200
    """The provider's HTTP status; None when the request was sent and never answered."""
    input_tokens_max: int | None = None
    """Sound upper bounds, where known: what a call that was never answered is counted at."""
    output_tokens_max: int | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """One usage object taken apart. `input_tokens` or `output_tokens` None: that side was not reported."""

    units: dict[str, int]
    fees: dict[str, int]
    input_tokens: int | None
    output_tokens: int | None
    read: int = 0
    write: int = 0
    reasoning: int | None = None
    flags: tuple[str, ...] = ()


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Billable units (`input`, `read`, `write_5m`, `write_1h`, `write`, `output`, `audio_in`, …) and fee items.

    The token totals follow OpenTelemetry: `input_tokens` is all input, cached included; the others are parts of
    input or output. None means that it is not known.
    """

    source: UsageSource
    units: Mapping[str, int] = {}
    fees: Mapping[str, int] = {}
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    flags: tuple[str, ...] = ()
    """Values of `Flag`."""
    raw: Mapping[str, object] | None = None
    """Numeric leaves of the provider's usage object, bounded."""
