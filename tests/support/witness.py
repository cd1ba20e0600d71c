"""Witness: a running Tollhouse's ledger and metrics beside what the provider billed, call by call.

A call's identity is what the load gave it: `X-Correlation` in the provider's bill, the label `trace_id` in the ledger.
"""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from asking import price
from stack import Stack

_COLUMNS = (
    b"SELECT trace_id, outcome, usage_source, cost_nano_usd, price_status, flags, provider_request_id, streaming, "
    b"error_code, status FROM th.calls WHERE trace_id IS NOT NULL"
)
_SAMPLE = re.compile(r"^(tollhouse_\w+?)(?:_total)?(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)

Row = dict[str, Any]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Bills and rows side by side."""

    bills: dict[str, Row]
    rows: dict[str, list[Row]]

    @property
    def missing(self) -> set[str]:
        """Billed and not in the ledger."""
        return self.bills.keys() - self.rows.keys()

    @property
    def doubles(self) -> set[str]:
        """In the ledger more than once."""
        return {name for name, rows in self.rows.items() if len(rows) > 1}

    @property
    def differing(self) -> list[tuple[Row, int]]:
        """Rows whose cost is not what was billed, with cost less bill in nano-USD."""
        pairs = [(self.rows[name][0], price(bill)) for name, bill in self.bills.items() if name in self.rows]
        return [(row, (row["cost_nano_usd"] or 0) - billed) for row, billed in pairs if row["cost_nano_usd"] != billed]

    def outcomes(self) -> Counter[str]:
        """How the calls ended."""
        return Counter(row["outcome"] for rows in self.rows.values() for row in rows)

    def booked(self) -> int:
        """All that was booked, in nano-USD."""
        return sum(row["cost_nano_usd"] or 0 for rows in self.rows.values() for row in rows)

    def billed(self) -> int:
        """All that was billed, in nano-USD."""
        return sum(price(bill) for bill in self.bills.values())


def account(stack: Stack, bills: list[Row]) -> Account:
    """Asserts that no call was billed twice, since each was sent once."""
    with psycopg.connect(stack.owner_url(), row_factory=dict_row) as connection:
        found = connection.execute(_COLUMNS).fetchall()
    rows: dict[str, list[Row]] = {}
    for row in found:
        rows.setdefault(row["trace_id"], []).append(row)
    named = {str(bill["correlation"]): bill for bill in bills}
    assert len(named) == len(bills), "a call was sent to the provider twice"
    return Account(bills=named, rows=rows)


def account_in_full(stack: Stack, bills: list[Row], timeout_s: float = 40.0) -> Account:
    """The account once nothing is missing any more, or after the time allowed."""
    deadline_s = time.monotonic() + timeout_s
    while (found := account(stack, bills)).missing and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def gauges(url: str) -> Counter[str]:
    """Every metric by name, summed over its series."""
    sums: Counter[str] = Counter()
    with urllib.request.urlopen(url + "/metrics", timeout=10) as answer:
        for name, value in _SAMPLE.findall(answer.read().decode()):
            sums[name] += float(value)  # type: ignore[assignment]  # gauges may be fractions
    return sums


def readiness(url: str) -> int:
    """Status of `/readyz`."""
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
