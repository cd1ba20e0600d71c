"""Proof: whoever is killed, whenever, no call that the provider billed is lost, and none is counted twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from figures import FULL, Figures
from journals import left_in_journals
from load import Load, Pace
from provider import Provider
from stack import Stack
from witness import Account, account_in_full, free_port, gauges

pytestmark = pytest.mark.prove

KILLS = 220 if FULL else 8
MOMENTS_S = (0.05, 2.4) if FULL else (0.05, 0.9)
PACE = Pace(latency_ms_max=400, pace_ms_max=80 if FULL else 40)


def test_no_call_is_lost_whoever_is_killed(place: Path, figures: Figures) -> None:
    """`kill -9` of a worker at random moments under load, and of the supervisor in the midst of it: every call that
    the provider billed is in the ledger exactly once, at what was billed or marked as estimated or partial, and in all
    for not less than was billed. Less than its own bill has only a stream that was cut by the death or the stop of its
    worker and was booked at what had been metered, `partial`. Afterwards nothing is open and nothing unshipped."""
    port = free_port()
    with Provider() as provider:
        stack = Stack(
            place, workers=2, environment=provider.environment(), arguments=("--gateway-port", str(port))
        ).start()
        try:
            with Load(stack.gateway_url, stack.own_key, clients=24, seed=7, pace=PACE) as load:
                _kill_workers(stack, KILLS // 2)
                orphaned_s = _kill_supervisor(stack)
                _kill_workers(stack, KILLS - KILLS // 2)
                time.sleep(1.0)
            bills = provider.bills()
            found = account_in_full(stack, bills)
            _check(found)
            _check_that_nothing_is_left(stack)
            figures.note("workers killed (`kill -9`)", KILLS)
            figures.note("supervisors killed (`kill -9`)", 1)
            figures.note("its workers drained and ended within", f"{orphaned_s:.1f} s")
            _note(figures, found, load)
        finally:
            stack.stop()
    left = left_in_journals(stack.data_dir)
    assert left.open == frozenset(), "calls are open in a journal"
    figures.note("calls open in a journal at the end", len(left.open))


def _kill_workers(stack: Stack, count: int) -> None:
    """The one that lives longest, so that they take turns; never while none is left."""
    chance = random.Random(count)
    for _ in range(count):
        time.sleep(chance.uniform(*MOMENTS_S))
        stack.until(stack.worker_pids, 30.0)
        stack.kill_worker(0)


def _kill_supervisor(stack: Stack) -> float:
    """Its workers notice and end; a new one takes the directory, the database and the port over."""
    stack.until(lambda: len(stack.worker_pids()) == 2, 30.0)
    workers = stack.worker_pids()
    began_s = time.monotonic()
    stack.stop(signal.SIGKILL)
    Stack.until(lambda: not any(_lives(pid) for pid in workers), 60.0)
    took_s = time.monotonic() - began_s
    stack.start()
    return took_s


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _check(found: Account) -> None:
    assert found.missing == set(), f"billed and not in the ledger: {len(found.missing)} of {len(found.bills)}"
    assert found.doubles == set()
    unmarked = [row for row, _ in found.differing if row["usage_source"] not in ("estimated", "partial")]
    assert unmarked == [], "differs from the bill and does not say so"
    below = {(row["outcome"], row["usage_source"]) for row, less in found.differing if less < 0}
    assert below <= {("gateway_lost", "partial"), ("gateway_stopped", "partial")}
    assert all(row["price_status"] == "priced" for name in found.bills for row in found.rows[name])
    assert found.booked() >= found.billed()


def _check_that_nothing_is_left(stack: Stack) -> None:
    def idle() -> bool:
        now = gauges(stack.gateway_url)
        return now["tollhouse_open_calls"] == 0 and now["tollhouse_journal_unshipped_bytes"] == 0

    stack.until(idle, 20.0)
    assert gauges(stack.gateway_url)["tollhouse_ledger_rejected"] == 0


def _note(figures: Figures, found: Account, load: Load) -> None:
    below = [(row, less) for row, less in found.differing if less < 0]
    outcomes = found.outcomes()
    figures.note("calls attempted by clients", len(load.attempts))
    figures.note("calls billed by the provider", len(found.bills))
    figures.note("of these missing in the ledger", len(found.missing))
    figures.note("of these in the ledger twice", len(found.doubles))
    figures.note("calls settled from the journals of the dead (`gateway_lost`)", outcomes["gateway_lost"])
    figures.note("rows that differ from the bill, all marked `estimated` or `partial`", len(found.differing))
    figures.note("of these below the bill", f"{len(below)}, by {-sum(less for _, less in below) / 1e9:.6f} USD")
    figures.note("booked", f"{found.booked() / 1e9:.6f} USD")
    figures.note("billed", f"{found.billed() / 1e9:.6f} USD")
    figures.note("how calls ended", ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
