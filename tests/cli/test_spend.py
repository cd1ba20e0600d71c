"""`tollhouse spend`: totals that say what they leave out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollhouse.kernel.ids import TenantId

SINCE = ("--since", "2026-09-01")


@pytest.fixture
def booked(tollhouse: Any, ledger: Any) -> None:
    """Three teams over two workspaces; one call unpriced, one estimated."""
    second = TenantId(json.loads(tollhouse("workspaces", "create", "second", "--json").stdout)["workspace_id"])
    ledger.book(
        ledger.call(1, team="ml", cost_nano_usd=1_000_000_000),
        ledger.call(2, second, team="ml", cost_nano_usd=250_000_001),
        ledger.call(3, team="web", usage_source="estimated"),
        ledger.call(4, cost_nano_usd=None, price_status="unpriced"),
    )


@pytest.mark.usefixtures("booked")
def test_by_label_over_all_workspaces(tollhouse: Any) -> None:
    """Dearest first, to the last digit; the last line is the total."""
    done = tollhouse("spend", "--by", "team", *SINCE, "--json")
    rows = [json.loads(line, parse_float=str) for line in done.stdout.splitlines()]
    assert [(row.get("team"), row["calls"], row["cost_usd"]) for row in rows] == [
        ("ml", 2, "1.250000001"),
        ("web", 1, "0.00021"),
        (None, 1, 0),
        (None, 4, "1.250210001"),
    ]
    assert [row.get("total", False) for row in rows] == [False, False, False, True]
    assert [row["partial"] for row in rows] == [False, False, True, True]
    assert (rows[-1]["unpriced_calls"], rows[-1]["estimated_calls"], rows[-1]["cost_basis"]) == (1, 1, "list")


@pytest.mark.usefixtures("booked")
def test_one_workspace(tollhouse: Any) -> None:
    """Its calls alone."""
    done = tollhouse("spend", "--workspace", "second", "--by", "", *SINCE, "--json")
    (total,) = [json.loads(line, parse_float=str) for line in done.stdout.splitlines()]
    assert (total["total"], total["calls"], total["cost_usd"]) == (True, 1, "0.250000001")


@pytest.mark.usefixtures("booked")
def test_for_people(tollhouse: Any) -> None:
    """List price is said, and what is missing from the total."""
    done = tollhouse("spend", "--by", "team,model", *SINCE)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["TEAM", "MODEL", "CALLS"]
    assert lines[-1].split()[0] == "total"
    assert "1.250210001+" in lines[-1]
    assert "list prices" in done.stderr
    assert "Partial total: 1 call(s)" in done.stderr
    assert "1 call(s) are estimated" in done.stderr


@pytest.mark.usefixtures("booked")
def test_full_total_is_not_called_partial(tollhouse: Any) -> None:
    """Where every call has a price."""
    done = tollhouse("spend", "--workspace", "second", *SINCE)
    assert "Partial" not in done.stderr
    assert "+" not in done.stdout


def test_no_calls(tollhouse: Any) -> None:
    """Nothing on standard output."""
    done = tollhouse("spend")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No calls in this period.\n")
