"""Receipts: every figure of a cost, and whether it comes out again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tollhouse.metering.model import Usage, UsageSource
from tollhouse.pricing.explain import StoredCost, explain
from tollhouse.pricing.model import Band, Price, PriceStatus
from tollhouse.pricing.rules import charge

MakeRow = Callable[..., Price]

USAGE = Usage(
    source=UsageSource.REPORTED,
    units={"input": 3, "write_5m": 12304, "output": 550},
    fees={"web_search": 2},
    input_tokens=12307,
    output_tokens=550,
    raw={"input_tokens": 3, "cache_creation_input_tokens": 12304, "output_tokens": 550},
)


def stored_of(price: Price | None, usage: Usage = USAGE) -> StoredCost:
    charged = charge(usage, price, book_version="v7")
    return StoredCost(
        usage=usage,
        status=charged.status,
        cost_nano_usd=charged.cost_nano_usd,
        lines=charged.lines,
        price=price,
        book_version="v7",
    )


def test_receipt_shows_every_step_and_reproduces_the_cost(row: MakeRow) -> None:
    """Raw usage, units, identity, row, version, each line, the total, and the verdict."""
    receipt = explain(stored_of(row(fees={"web_search": 10_000_000}, note="why")))
    shown = {line.name: line.text for line in receipt.lines}
    assert receipt.reproduced is True
    assert shown["raw usage"] == '{"cache_creation_input_tokens": 12304, "input_tokens": 3, "output_tokens": 550}'
    assert shown["input adds up"] == "input 3 + write_5m 12304 = 12307 = 12307 input tokens"
    assert shown["output adds up"] == "output 550 = 550 = 550 output tokens"
    assert shown["row"] == "m (p m standard), from ever to further notice"
    assert shown["book version"] == "v7"
    assert shown["input"] == "3 × 2 USD per million = 0.000006 USD"
    assert shown["write_5m"] == "12304 × 2.5 USD per million (rate from 1.25 x input) = 0.03076 USD"
    assert shown["web_search"] == "2 × 0.01 USD each = 0.02 USD"
    assert shown["total"] == "0.056266 USD (priced)"
    assert shown["reproduced"] == "recomputed from the stored usage and price row: the same"


def test_a_changed_amount_is_found(row: MakeRow) -> None:
    """A stored cost that the row does not give is called out with what it gives."""
    price = row(fees={"web_search": 10_000_000})
    receipt = explain(msgspec.structs.replace(stored_of(price), cost_nano_usd=1))
    assert receipt.reproduced is False
    assert "0.056266 USD, which differs" in receipt.lines[-1].text


def test_a_changed_line_is_found_though_the_sum_is_the_same(row: MakeRow) -> None:
    """Lines are compared one by one, not only their sum."""
    stored = stored_of(row(fees={"web_search": 10_000_000}))
    first, second, *rest = stored.lines
    swapped = (
        msgspec.structs.replace(first, cost_nano_usd=first.cost_nano_usd + 1),
        msgspec.structs.replace(second, cost_nano_usd=second.cost_nano_usd - 1),
        *rest,
    )
    assert explain(msgspec.structs.replace(stored, lines=swapped)).reproduced is False


def test_a_lost_row_is_said(row: MakeRow) -> None:
    """Without its row a priced call cannot be recomputed, and is not called wrong."""
    receipt = explain(msgspec.structs.replace(stored_of(row(fees={"web_search": 1})), price=None))
    assert receipt.reproduced is None
    assert receipt.lines[-1].text.startswith("cannot be recomputed")


def test_unpriced_calls_say_what_is_missing(row: MakeRow) -> None:
    """The receipt of an unpriced call names the unit without a rate."""
    receipt = explain(stored_of(row()))
    shown = {line.name: line.text for line in receipt.lines}
    assert (shown["no rate for"], shown["total"], receipt.reproduced) == ("web_search", "unknown (unpriced)", True)


def test_free_calls_have_a_receipt_too() -> None:
    """Nothing billed, nothing missing."""
    receipt = explain(StoredCost(usage=Usage(source=UsageSource.NONE), status=PriceStatus.FREE, cost_nano_usd=0))
    assert receipt.reproduced is True
    assert {line.name: line.text for line in receipt.lines}["total"] == "0 USD (free)"


def test_bands_and_rounding_are_shown(row: MakeRow) -> None:
    """A long call says which limit it passed, and a rounded line that it was rounded."""
    band = Band(operator=">", above=5, rates={"input": 1_500_000})
    usage = Usage(source=UsageSource.PARTIAL, units={"input": 7}, input_tokens=7, flags=("usage_inconsistent",))
    receipt = explain(stored_of(row(bands=(band,)), usage))
    shown = {line.name: line.text for line in receipt.lines}
    assert shown["band"] == "7 input tokens pass a limit of > 5: its rates hold for the whole call"
    assert shown["input"] == "7 × 0.0015 USD per million = 0.00000001 USD, rounded half-even to the nano-dollar"
    assert shown["flags"] == "usage_inconsistent"
    assert shown["reproduced"].endswith("the usage itself is partial")
