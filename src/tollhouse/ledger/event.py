"""The cost event: one call as its users, the export and a SIEM see it. Pure.

A closed list of fields in a fixed order. An amount is written from its integer digit by digit and never passes through
a float; a cost that is not known is null, never zero. Counts are OpenTelemetry's: `input_tokens` is all input, cached
included.
Never holds a prompt, a response, a hash of either, a key, or a header's value other than the declared labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from tollhouse.kernel.ids import CallId, request_id, started_at
from tollhouse.kernel.money import format_usd
from tollhouse.ledger.model import CallClosed
from tollhouse.pricing.model import PriceStatus

if TYPE_CHECKING:
    from tollhouse.ledger.store import CallRow

LedgerCall: TypeAlias = "CallClosed | CallRow"
"""A closed call, from the journal or from the database: they share their names."""


class CostEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Encoded as one JSON object. Tokens in units, durations in milliseconds; null means that it is not known."""

    timestamp: str
    """RFC 3339, UTC, milliseconds: when the call began."""
    request_id: str
    provider: str | None
    model: str | None
    """The one that answered, else the one that was asked for."""
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: msgspec.Raw | None
    """The exact decimal digits as a JSON number; None where the call is unpriced."""
    latency_ms: int
    team: str | None
    app: str | None
    feature: str | None
    session_id: str | None
    cache_hit: bool
    routed: bool
    customer: str | None
    customer_tier: str | None
    environment: str | None
    cost_center: str | None
    trace_id: str | None
    prompt_template: str | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_nano_usd: int | None
    usage_source: str
    price_status: str
    ttft_ms: int | None
    streaming: bool
    status: int | None
    provider_status: int | None
    outcome: str
    error_code: str | None
    workspace_id: str
    key_id: str | None
    credential_mode: str | None
    credential_ref: str | None
    provider_request_id: str | None
    provider_response_id: str | None
    requested_model: str | None
    dialect: str
    operation: str
    service_tier: str | None
    attempts: int
    flags: tuple[str, ...]
    snapshot_version: int
    price_book_version: str | None
    price_id: str | None


_COMPUTED = frozenset(("timestamp", "request_id", "model", "cost_usd", "cost_nano_usd", "workspace_id"))
_COPIED = tuple(name for name in CostEvent.__struct_fields__ if name not in _COMPUTED)
_ENCODER = msgspec.json.Encoder()


def cost_event(call: LedgerCall) -> CostEvent:
    """The event of a closed call."""
    cost = cost_of(call)
    return CostEvent(
        timestamp=timestamp(call.call_id),
        request_id=request_id(call.call_id),
        model=call.model or call.requested_model,
        cost_usd=None if cost is None else msgspec.Raw(format_usd(cost).encode()),
        cost_nano_usd=cost,
        workspace_id=call.tenant_id,
        **{name: getattr(call, name) for name in _COPIED},
    )


def cost_of(call: LedgerCall) -> int | None:
    """Nano-USD; 0 where nothing billable happened, None where the call is unpriced."""
    if call.price_status == PriceStatus.UNPRICED:
        return None
    return call.cost_nano_usd or 0


def encode_event(event: CostEvent) -> bytes:
    """The event as a line of JSON, without its line end."""
    return _ENCODER.encode(event)


def timestamp(call: CallId) -> str:
    """When a call began, as its id tells it: RFC 3339 in UTC with three digits of a second."""
    return started_at(call).isoformat(timespec="milliseconds").replace("+00:00", "Z")
