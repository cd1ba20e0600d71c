"""Fields: what each field of a recorded call means, in which unit, and where its value comes from.

A table for people: `docs/what-is-tracked.md` is made from it, and a test holds it to `CallClosed`, field by field. A
field that is not in this table is not recorded; none holds a prompt, a response, a hash of either, or a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is who says it: the clock, the client, the provider, the configuration, or Tollhouse, which derives."""

    meaning: str
    unit: str
    source: str


def _field(meaning: str, unit: str, source: str) -> Field:
    return Field(meaning=meaning, unit=unit, source=source)


CLOCK, KEY, CLIENT = "clock", "gateway key", "client"
LABEL, PROVIDER, CONFIGURATION, TOLLHOUSE = "client or gateway key", "provider", "configuration", "Tollhouse"

_TABLE: dict[str, Field] = {
    # Which call, whose, and when
    "call_id": _field("the call's id, shown as `req_…`; it embeds the start", "UUIDv7", TOLLHOUSE),
    "tenant_id": _field("the workspace that owns the call", "UUID", KEY),
    "started_ms": _field("when the request's head had arrived", "Unix milliseconds", CLOCK),
    "key_id": _field("the public part of the gateway key that was used", "id", KEY),
    # What was asked
    "dialect": _field("the wire format of the request", "name", CLIENT),
    "operation": _field("what the call does, in OpenTelemetry's words where it has one", "name", CLIENT),
    "provider": _field("the configured provider that was chosen", "name", CONFIGURATION),
    "requested_model": _field("the model that was asked for", "model id", CLIENT),
    "streaming": _field("whether an answer in events was asked for", "yes or no", CLIENT),
    "credential_mode": _field("whose provider key was used: `vault` or `passthrough`", "name", TOLLHOUSE),
    "credential_ref": _field("the vault's id and fingerprint of the provider key, or `passthrough`", "id", TOLLHOUSE),
    # Whom it is booked to
    "team": _field("label: the team that pays", "text", LABEL),
    "app": _field("label: the application", "text", LABEL),
    "feature": _field("label: the feature of the application", "text", LABEL),
    "customer": _field("label: the customer on whose behalf the call was made", "text", LABEL),
    "customer_tier": _field("label: that customer's plan", "text", LABEL),
    "environment": _field("label: production, staging and the like", "text", LABEL),
    "cost_center": _field("label: where accounting books it", "text", LABEL),
    "session_id": _field("label: the session or conversation", "text", LABEL),
    "trace_id": _field("label: the trace that the call is part of", "text", LABEL),
    "prompt_template": _field("label: the name of the prompt template, never its text", "text", LABEL),
    # What decided, and what was set aside
    "request_bytes": _field("size of the request's body", "bytes", CLIENT),
    "snapshot_version": _field("version of the configuration that decided", "number", CONFIGURATION),
    "price_book_version": _field("version of the price book that priced it", "name", CONFIGURATION),
    "worker": _field("the gateway worker that served it", "name", TOLLHOUSE),
    "hold_nano_usd": _field("the most that the call could cost, set aside while it ran", "nano-USD", TOLLHOUSE),
    "holds": _field("budget windows that the call is counted in, with their leases", "list of ids", TOLLHOUSE),
    # How it ended
    "outcome": _field("the one way in which it ended", "name", TOLLHOUSE),
    "status": _field("status that the client was sent; empty if it left before", "HTTP status", TOLLHOUSE),
    "provider_status": _field("status with which the provider answered", "HTTP status", PROVIDER),
    "error_code": _field("code of the refusal or of the provider's error, never its message", "code", TOLLHOUSE),
    "model": _field("the model that answered", "model id", PROVIDER),
    "latency_ms": _field(
        "from the call's start to its end; where its worker died, to the last that is known of it, 0 if nothing is",
        "milliseconds",
        CLOCK,
    ),
    "ttft_ms": _field("from the call's start to the first byte of the answer's body", "milliseconds", CLOCK),
    # What was used
    "input_tokens": _field("all input, what was read from or written to a cache included", "tokens", PROVIDER),
    "output_tokens": _field("all output, reasoning included", "tokens", PROVIDER),
    "cache_read_tokens": _field("part of the input that came from the provider's cache", "tokens", PROVIDER),
    "cache_write_tokens": _field("part of the input that was written to the provider's cache", "tokens", PROVIDER),
    "reasoning_tokens": _field("part of the output that was reasoning", "tokens", PROVIDER),
    "units": _field("the usage as it is billed, by kind of unit", "counts", TOLLHOUSE),
    "fees": _field("items with a price of their own, such as web searches", "counts", PROVIDER),
    "raw_usage": _field("the numbers of the provider's usage object, without any text", "numbers", PROVIDER),
    "usage_source": _field("`reported`, `partial`, `estimated` or `none`", "name", TOLLHOUSE),
    "flags": _field("what was odd about the usage or the answer", "list of names", TOLLHOUSE),
    "service_tier": _field("the provider's tier that served it", "name", PROVIDER),
    # What it cost
    "cost_nano_usd": _field(
        "the cost at list price; empty where it is not known, which is not zero", "nano-USD", TOLLHOUSE
    ),
    "price_status": _field("`priced`, `unpriced` or `free`", "name", TOLLHOUSE),
    "price_id": _field("the row of the price book", "id", CONFIGURATION),
    "charge_lines": _field("quantity, rate and cost of each line that the cost is the sum of", "lines", TOLLHOUSE),
    # What else the provider said, and how it was served
    "provider_request_id": _field("the provider's id of the request", "id", PROVIDER),
    "provider_response_id": _field("the provider's id of the answer", "id", PROVIDER),
    "attempts": _field(
        "how often a provider was asked; where its worker died, 1 for what it was opened for", "count", TOLLHOUSE
    ),
    "cache_hit": _field("whether Tollhouse answered from a cache of its own", "yes or no", TOLLHOUSE),
    "routed": _field("whether another model or provider was chosen than was asked for", "yes or no", TOLLHOUSE),
    "response_bytes": _field("size of the answer's body as relayed", "bytes", PROVIDER),
}

FIELDS: Mapping[str, Field] = MappingProxyType(_TABLE)
"""By field name, in the order in which people read a call."""
