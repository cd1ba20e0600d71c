"""Proof: without its database Tollhouse goes on, and what it recorded meanwhile is in the ledger soon after."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from figures import FULL, Figures
from load import Load, Pace
from outage import database_away
from provider import Provider
from stack import Stack
from witness import account_in_full, gauges, readiness

pytestmark = pytest.mark.prove

AWAY_S = 30.0 if FULL else 5.0
DRAINED_WITHIN_S = 60.0


def test_a_database_that_dies_costs_no_call(place: Path, figures: Figures) -> None:
    """PostgreSQL is killed under load and cannot be started for a while: no call is refused, readiness stays (calls can
    be recorded), and within 60 s of its return - which the supervisor sees to - all is in the ledger, once."""
    with Provider() as provider:
        stack = Stack(place, workers=2, environment=provider.environment()).start()
        try:
            with Load(stack.gateway_url, stack.own_key, clients=20, seed=11, pace=Pace(leaving=0.0)) as load:
                time.sleep(1.0)
                with database_away(stack):
                    before = load.answered()
                    deadline_s = time.monotonic() + AWAY_S
                    while time.monotonic() < deadline_s:
                        assert readiness(stack.gateway_url) == 200
                        time.sleep(0.5)
                    # Calls last as long as the machine lets them, and the gauge follows a second later.
                    stack.until(lambda: load.answered() > before and _waiting_bytes(stack) > 0, 60.0)
                    meanwhile = load.answered() - before
                    waiting = _waiting_bytes(stack)
                returned_s = time.monotonic()
                stack.until(lambda: "database.unstartable" in stack.log(), 1.0)
                time.sleep(1.0)
            stack.until(lambda: _waiting_bytes(stack) == 0, DRAINED_WITHIN_S)
            drained_s = time.monotonic() - returned_s
            found = account_in_full(stack, provider.bills())
        finally:
            stack.stop()
    assert drained_s < DRAINED_WITHIN_S
    assert [attempt for attempt in load.attempts if attempt.status != 200 or not attempt.whole] == []
    assert (found.missing, found.doubles, found.differing) == (set(), set(), [])
    assert found.outcomes() == {"completed": len(load.attempts)}
    figures.note("seconds without a database", f"{AWAY_S:.0f}")
    figures.note("calls answered meanwhile", meanwhile)
    figures.note("calls refused or broken", 0)
    figures.note("journal bytes that waited", int(waiting))
    figures.note("drained after its return within, load going on for the first second", f"{drained_s:.1f} s")
    figures.note("calls billed, all in the ledger once and at the price billed", len(found.bills))


def _waiting_bytes(stack: Stack) -> int:
    return gauges(stack.gateway_url)["tollhouse_journal_unshipped_bytes"]
