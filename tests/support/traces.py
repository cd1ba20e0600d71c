"""Traces: finds what a call left in the ledger and at the simulated provider, by a mark that the test gave it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Collection
from typing import Any

from stack import Stack

QUIET_S = 0.4
"""How long it is watched for a second row of a call after the first ones are all there."""


def new_trace() -> str:
    """A mark that no other call has."""
    return uuid.uuid4().hex


def marked(trace: str) -> dict[str, str]:
    """Headers that carry the mark into the ledger and into the provider's bill."""
    return {"x-tollhouse-trace-id": trace, "x-correlation": trace}


def rows_of(stack: Stack, traces: Collection[str], timeout_s: float = 15.0) -> dict[str, dict[str, Any]]:
    """The row of each call; fails unless each has exactly one."""
    wanted = set(traces)
    stack.until(lambda: wanted <= {row["trace_id"] for row in stack.calls()}, timeout_s)
    time.sleep(QUIET_S)
    rows = [row for row in stack.calls() if row["trace_id"] in wanted]
    assert Counter(row["trace_id"] for row in rows) == Counter(wanted), "a call has more than one row"
    return {row["trace_id"]: row for row in rows}


def bills_of(stack: Stack, traces: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the provider billed for each call that it billed at all; fails if it billed one twice."""
    bills = [bill for bill in stack.billed()["bills"] if bill["correlation"] in traces]
    assert len({bill["correlation"] for bill in bills}) == len(bills), "a call was billed twice"
    return {bill["correlation"]: bill for bill in bills}
