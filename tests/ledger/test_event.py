"""The cost event: a closed list of fields with exact amounts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tollhouse.kernel.ids import CallId
from tollhouse.ledger.event import CostEvent, cost_event, encode_event, timestamp
from tollhouse.ledger.model import CallClosed

FIRST = (
    *("timestamp", "request_id", "provider", "model", "input_tokens", "output_tokens", "cost_usd", "latency_ms"),
    *("team", "app", "feature", "session_id", "cache_hit", "routed"),
)
NEVER = ("raw_usage", "charge_lines", "holds", "worker", "tenant_id", "request_bytes", "response_bytes")


def test_fields_are_those_of_the_interface() -> None:
    """The published ones come first, in their order."""
    assert CostEvent.__struct_fields__[: len(FIRST)] == FIRST
    assert not set(NEVER) & set(CostEvent.__struct_fields__)


def test_a_call_in_full(records: Any) -> None:
    """What was recorded is what is said, under the same names."""
    call = records.closed(1, provider="anthropic", model="m-1", requested_model="m", team="ml", attempts=2, status=200)
    event = json.loads(encode_event(cost_event(call)))
    assert event["timestamp"] == "2026-09-21T14:13:20.001Z"
    assert event["request_id"] == f"req_{call.call_id}"
    assert event["workspace_id"] == call.tenant_id
    assert (event["provider"], event["model"], event["requested_model"]) == ("anthropic", "m-1", "m")
    assert (event["team"], event["attempts"], event["status"], event["latency_ms"]) == ("ml", 2, 200, 100)
    assert list(event) == list(CostEvent.__struct_fields__)


@pytest.mark.parametrize(
    ("cost_nano_usd", "digits"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (5_250_000, "0.00525"),
        (1_000_000_000, "1"),
        (123_456_789_012_345_678, "123456789.012345678"),
        (-5_250_000, "-0.00525"),
    ],
)
def test_amounts_are_exact(records: Any, cost_nano_usd: int, digits: str) -> None:
    """Digits that a float would lose are there."""
    encoded = encode_event(cost_event(records.closed(1, cost_nano_usd=cost_nano_usd)))
    assert f'"cost_usd":{digits},'.encode() in encoded
    event = json.loads(encoded, parse_float=Decimal, parse_int=Decimal)
    assert event["cost_usd"] * 10**9 == event["cost_nano_usd"] == cost_nano_usd


def test_unpriced_is_null_and_free_is_zero(records: Any) -> None:
    """An unknown cost is never zero."""
    unpriced = json.loads(encode_event(cost_event(records.closed(1, cost_nano_usd=None, price_status="unpriced"))))
    free = json.loads(encode_event(cost_event(records.closed(1, cost_nano_usd=None, price_status="free"))))
    assert (unpriced["cost_usd"], unpriced["cost_nano_usd"]) == (None, None)
    assert (free["cost_usd"], free["cost_nano_usd"]) == (0, 0)


def test_model_is_the_one_asked_for_where_none_answered(records: Any) -> None:
    """As rollups count it."""
    assert cost_event(records.closed(1, requested_model="m")).model == "m"


def test_timestamps_sort_as_text() -> None:
    """Always three digits of a second, always Z."""
    assert timestamp(CallId("0" * 32)) == "1970-01-01T00:00:00.000Z"


def test_every_field_of_a_call_is_told_or_kept_back_on_purpose() -> None:
    """A field that is new to the ledger has to be decided on."""
    inside = {"call_id", "started_ms", "units", "fees", "hold_nano_usd", *NEVER}
    assert set(CallClosed.__struct_fields__) - inside <= set(CostEvent.__struct_fields__)
