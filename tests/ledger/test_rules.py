"""What a lost call costs: a table of rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tollhouse.ledger.model import CallFacts
from tollhouse.ledger.rules import counts_strictly, settle_lost


@pytest.mark.parametrize(
    ("hold", "metered", "strict", "expected"),
    [
        (100, None, True, (100, "priced", "estimated")),
        (100, None, False, (100, "priced", "estimated")),
        (100, 40, True, (100, "priced", "estimated")),
        (100, 40, False, (40, "priced", "partial")),
        (100, 130, True, (130, "priced", "partial")),
        (100, 130, False, (130, "priced", "partial")),
        (None, None, True, (None, "unpriced", "estimated")),
        (None, None, False, (None, "unpriced", "estimated")),
        (None, 40, True, (40, "priced", "partial")),
        (0, None, True, (0, "priced", "estimated")),
    ],
)
def test_the_cost_of_a_lost_call(
    records: Any, hold: int | None, metered: int | None, strict: bool, expected: tuple[int | None, str, str]
) -> None:
    """At its hold, or at what was metered if that is more or the budget is not strict; unknown is never zero."""
    progress = None if metered is None else records.progress(1, metered)

    row = settle_lost(records.opened(1, hold_nano_usd=hold), progress, strict)

    assert (row.cost_nano_usd, row.price_status, row.usage_source) == expected
    assert row.outcome == "gateway_lost"
    assert row.flags == (("at_ceiling",) if hold is not None and expected[0] == hold else ())


def test_metering_without_a_price_counts_at_the_hold(records: Any) -> None:
    """Tokens that were counted are kept, although their cost is not known."""
    row = settle_lost(records.opened(1), records.progress(1, None), False)

    assert (row.cost_nano_usd, row.output_tokens, row.usage_source) == (10_000_000, 3, "estimated")


def test_a_lost_call_lasted_as_long_as_is_known(records: Any) -> None:
    """To the last metering; without one nothing is known. It was opened for one attempt."""
    progress = msgspec.structs.replace(records.progress(1, 40), elapsed_ms=5200)

    rows = [settle_lost(records.opened(1), last, False) for last in (progress, None)]

    assert [(row.latency_ms, row.attempts, row.status) for row in rows] == [(5200, 1, None), (0, 1, None)]


def test_a_lost_call_keeps_its_facts_and_is_the_same_every_time(records: Any) -> None:
    """Whom it belongs to, its windows and its price; the same journal gives the same bytes."""
    opened = records.opened(1, team="ml", customer="acme", session_id="s", hold_nano_usd=7)

    row = settle_lost(opened, None, True)

    assert all(getattr(row, name) == getattr(opened, name) for name in CallFacts.__struct_fields__)
    assert row.price_id == "p1"
    assert msgspec.json.encode(row) == msgspec.json.encode(settle_lost(opened, None, True))


def test_a_call_held_against_a_window_is_strict(records: Any) -> None:
    """Where no budget counts it, what was metered is the better estimate."""
    assert counts_strictly(records.opened(1))
    assert not counts_strictly(records.opened(1, holds=()))
