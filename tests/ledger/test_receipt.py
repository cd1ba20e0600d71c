"""From a row of the ledger to a receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tollhouse.kernel.ids import DEFAULT_TENANT, CallId
from tollhouse.ledger.receipt import stored_cost, stored_usage
from tollhouse.ledger.store import CallRow
from tollhouse.metering.model import UsageSource
from tollhouse.pricing.explain import explain
from tollhouse.pricing.model import ChargeLine, Price, PriceStatus
from tollhouse.pricing.rules import PriceBook

MOMENT = datetime(2026, 9, 21, tzinfo=UTC)
PRICE = Price(
    id="p1", provider="openai", model="m", rates={"input": 2_000_000_000}, source="a page", retrieved="2026-09-01"
)
BOOK = PriceBook.build("v1", [PRICE])


def row(**fields: Any) -> CallRow:
    """A priced call of three input tokens."""
    facts: dict[str, Any] = dict.fromkeys(CallRow.__struct_fields__)
    facts |= {
        "call_id": CallId("0" * 32),
        "tenant_id": DEFAULT_TENANT,
        "started_at": MOMENT,
        "recorded_at": MOMENT,
        "units": '{"input":3}',
        "fees": "{}",
        "raw_usage": '{"prompt_tokens":3}',
        "usage_source": "reported",
        "input_tokens": 3,
        "output_tokens": 0,
        "flags": ("usage_unknown_field",),
        "cost_nano_usd": 6000,
        "price_status": "priced",
        "price_id": "p1",
        "price_book_version": "v1",
        "charge_lines": '[{"unit":"input","quantity":3,"rate_nano_usd":2000000000,"cost_nano_usd":6000}]',
    }
    return CallRow(**(facts | fields))


def test_what_was_stored_is_what_is_explained() -> None:
    """Usage, lines, amount and the row that the call names; the receipt reproduces it."""
    stored = stored_cost(row(), BOOK)
    assert stored.price is PRICE
    assert stored.usage.units == {"input": 3}
    assert stored.usage.raw == {"prompt_tokens": 3}
    assert stored.usage.flags == ("usage_unknown_field",)
    assert stored.lines == (ChargeLine(unit="input", quantity=3, rate_nano_usd=2_000_000_000, cost_nano_usd=6000),)
    assert explain(stored).reproduced is True


def test_an_amount_that_does_not_come_out_is_told() -> None:
    """A receipt is no echo."""
    assert explain(stored_cost(row(cost_nano_usd=6001), BOOK)).reproduced is False


def test_a_row_that_the_book_has_lost() -> None:
    """Today's price of the model is not taken in its place."""
    stored = stored_cost(row(price_id="p0"), BOOK)
    assert stored.price is None
    assert explain(stored).reproduced is None


def test_a_call_without_usage() -> None:
    """As one that was refused."""
    usage = stored_usage(row(units="{}", raw_usage=None, usage_source="none", input_tokens=None))
    assert (usage.source, usage.raw, usage.input_tokens) == (UsageSource.NONE, None, None)
    free = row(units="{}", usage_source="none", price_status="free", cost_nano_usd=0, price_id=None, charge_lines="[]")
    assert stored_cost(free, BOOK).status is PriceStatus.FREE
