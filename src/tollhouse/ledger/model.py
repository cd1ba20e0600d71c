"""Records of the journal and of the table of calls.

An entry's JSON is the journal's payload, and that of a closed call the element that `settle_batch` takes, so that
shipping costs no decoding. It is read back as `CallOpened` and `CallClosed`, and written in parts, each encoded when it
is known and `joined`: what calls alike have in common, what one call asks, its labels, how it ended.
Every field is listed in docs/what-is-tracked.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tollhouse.kernel.ids import CallId, KeyId, TenantId
from tollhouse.pricing.model import ChargeLine


class WindowHold(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One budget window that a call is counted in, and the lease that covers it."""

    window_id: str
    lease_id: str | None
    epoch: int


class CallFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known when a call opens. Tokens in units, money in nano-USD, durations in milliseconds."""

    call_id: CallId
    tenant_id: TenantId
    started_ms: int
    """Unix milliseconds, the same that the call id embeds."""
    key_id: KeyId | None = None
    dialect: str = "raw"
    operation: str = "raw"
    provider: str | None = None
    requested_model: str | None = None
    streaming: bool = False
    credential_mode: str | None = None
    credential_ref: str | None = None
    team: str | None = None
    app: str | None = None
    feature: str | None = None
    customer: str | None = None
    customer_tier: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    prompt_template: str | None = None
    request_bytes: int = 0
    snapshot_version: int = 0
    price_book_version: str | None = None
    worker: str | None = None
    hold_nano_usd: int | None = None
    """The price ceiling of the call, set aside while it runs; None where none can be known."""
    holds: tuple[WindowHold, ...] = ()


class CallOpened(CallFacts, frozen=True, kw_only=True, omit_defaults=True):
    """Durable before the upstream is contacted. With what recovery needs to settle it at its ceiling."""

    input_tokens_max: int | None = None
    output_tokens_max: int | None = None
    price_id: str | None = None


class CallOrigin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of `CallFacts` that all calls with one head, one provider and one snapshot have in common."""

    tenant_id: TenantId
    key_id: KeyId | None = None
    dialect: str = "raw"
    operation: str = "raw"
    provider: str | None = None
    credential_mode: str | None = None
    credential_ref: str | None = None
    snapshot_version: int = 0
    price_book_version: str | None = None
    worker: str | None = None


class CallAsked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of `CallFacts` that is one call's own. The labels are the third."""

    call_id: CallId
    started_ms: int
    requested_model: str | None = None
    streaming: bool = False
    request_bytes: int = 0
    hold_nano_usd: int | None = None
    holds: tuple[WindowHold, ...] = ()


class CallBounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `CallOpened` has beside the facts."""

    input_tokens_max: int | None = None
    output_tokens_max: int | None = None
    price_id: str | None = None


class CallEnding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `CallClosed` has beside the facts; what its fields mean is said there."""

    outcome: str
    status: int | None = None
    provider_status: int | None = None
    error_code: str | None = None
    model: str | None = None
    latency_ms: int = 0
    ttft_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: Mapping[str, int] = {}
    fees: Mapping[str, int] = {}
    raw_usage: Mapping[str, object] | None = None
    usage_source: str = "none"
    flags: tuple[str, ...] = ()
    service_tier: str | None = None
    cost_nano_usd: int | None = None
    price_status: str = "free"
    price_id: str | None = None
    charge_lines: tuple[ChargeLine, ...] = ()
    provider_request_id: str | None = None
    provider_response_id: str | None = None
    attempts: int = 0
    cache_hit: bool = False
    routed: bool = False
    response_bytes: int = 0


def joined(first: bytes, second: bytes) -> bytes:
    """One JSON object with the members of two, which have no name in common; the first is not empty."""
    return first[:-1] + b"," + second[1:] if len(second) > 2 else first


class CallProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An open stream as last metered, written at most every two seconds."""

    call_id: CallId
    elapsed_ms: int = 0
    """Since the call's start."""
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    units: Mapping[str, int] = {}
    usage_source: str = "partial"
    cost_nano_usd: int | None = None
    price_status: str | None = None
    price_id: str | None = None


class CallClosed(CallFacts, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the ledger's calls."""

    outcome: str
    status: int | None = None
    """HTTP status that the client was sent; None if it left before."""
    provider_status: int | None = None
    error_code: str | None = None
    model: str | None = None
    latency_ms: int = 0
    ttft_ms: int | None = None
    """From the call's start to the first byte of the answer's body."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: Mapping[str, int] = {}
    fees: Mapping[str, int] = {}
    raw_usage: Mapping[str, object] | None = None
    usage_source: str = "none"
    flags: tuple[str, ...] = ()
    service_tier: str | None = None
    cost_nano_usd: int | None = None
    price_status: str = "free"
    price_id: str | None = None
    charge_lines: tuple[ChargeLine, ...] = ()
    provider_request_id: str | None = None
    provider_response_id: str | None = None
    attempts: int = 0
    cache_hit: bool = False
    routed: bool = False
    response_bytes: int = 0
