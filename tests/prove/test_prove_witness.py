"""The control of the proofs that compare ledger and bill: what they must never see, they would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journals import entry_of, left_in_journals
from tollhouse.kernel.ids import CallId, TenantId
from tollhouse.ledger.journal import Journal
from tollhouse.ledger.model import CallOpened
from witness import Account

pytestmark = pytest.mark.prove

BILL = {"correlation": "c1", "model": "gpt-4o-mini-2024-07-18", "input_tokens": 10, "output_tokens": 5}
PRICE = 10 * 150 + 5 * 600


def row(cost: int | None, source: str = "reported") -> dict[str, Any]:
    """A row of the ledger as the witness reads it."""
    return {"trace_id": "c1", "cost_nano_usd": cost, "usage_source": source, "outcome": "completed"}


@pytest.mark.parametrize(
    ("rows", "missing", "doubles", "differences"),
    [
        ([row(PRICE)], set(), set(), []),
        ([row(PRICE), row(PRICE)], set(), {"c1"}, []),
        ([row(PRICE - 1)], set(), set(), [-1]),
        ([row(PRICE + 7)], set(), set(), [7]),
        ([row(None)], set(), set(), [-PRICE]),
    ],
)
def test_a_double_and_another_price_are_seen(
    rows: list[dict[str, Any]], missing: set[str], doubles: set[str], differences: list[int]
) -> None:
    """One bill against what the ledger might have for it."""
    found = Account(bills={"c1": BILL}, rows={"c1": rows})
    assert (found.missing, found.doubles) == (missing, doubles)
    assert [difference for _, difference in found.differing] == differences


def test_a_lost_call_is_seen() -> None:
    """A bill without a row is missing, whatever else the ledger has."""
    found = Account(bills={"c1": BILL, "c2": BILL}, rows={"c1": [row(PRICE)]})
    assert found.missing == {"c2"}


def test_a_call_that_is_open_in_a_journal_is_seen(tmp_path: Path) -> None:
    """What was opened and never closed is found by reading the files."""
    with Journal(tmp_path, "dead") as journal:
        journal.opened(*entry_of(CallOpened(call_id=CallId("0" * 32), tenant_id=TenantId("t"), started_ms=0)))
    assert left_in_journals(tmp_path).open == {"0" * 32}
