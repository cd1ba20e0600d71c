"""Rows of the ledger for a test: of one answer by its request id, or all those of the calls made since a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

WAIT_S = 10.0
POLL_S = 0.01

RATES_NANO_USD = {
    "gpt-4o-mini": (150, 600),
    "claude-haiku-4-5-20251001": (1_000, 5_000),
    "gemini-2.5-flash": (300, 2_500),
    "text-embedding-3-small": (20, 0),
}
"""List prices of the models that are asked for, per token of input and of output."""


class LedgerRows:
    """Reads over the owner's connection, so that a test sees every workspace; waits for what has yet to be shipped."""

    def __init__(self, owner_url: str) -> None:
        self._connection = psycopg.connect(owner_url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        self._connection.close()

    def of(self, request_id: str) -> Row:
        """The one row of the call with this `x-tollhouse-request-id`."""
        return self.of_all([request_id])[request_id]

    def of_all(self, request_ids: Iterable[str]) -> dict[str, Row]:
        """Rows by request id, one each; fails if one does not come in time."""
        wanted = {UUID(request_id.removeprefix("req_")): request_id for request_id in request_ids}
        query = "SELECT * FROM th.calls WHERE call_id = ANY(%s)"
        rows = self._wait(query, list(wanted), len(wanted))
        assert len(rows) == len(wanted), "a call has more than one row"
        return {wanted[row["call_id"]]: row for row in rows}

    def watch(self) -> Watch:
        """Watches for the rows of calls that begin from now on."""
        return Watch(self)

    def since(self, moment: datetime, count: int) -> list[Row]:
        """At least `count` rows of calls that began at this moment or later, oldest first."""
        return self._wait("SELECT * FROM th.calls WHERE started_at >= %s ORDER BY started_at, call_id", moment, count)

    def _wait(self, query: str, parameter: object, count: int) -> list[Row]:
        deadline_s = time.monotonic() + WAIT_S
        while True:
            rows = self._connection.execute(query, [parameter]).fetchall()
            if len(rows) >= count:
                return rows
            assert time.monotonic() < deadline_s, f"{count} rows were expected, {len(rows)} came"
            time.sleep(POLL_S)


class Watch:
    """The calls that began since it was made."""

    def __init__(self, ledger: LedgerRows) -> None:
        self._ledger = ledger
        now_ms = time.time_ns() // 1_000_000
        self._since = datetime.fromtimestamp(now_ms / 1000, UTC)

    def one(self) -> Row:
        """The row of the one call made since."""
        return self.rows(1)[0]

    def rows(self, count: int) -> list[Row]:
        """The rows of exactly `count` calls, oldest first."""
        rows = self._ledger.since(self._since, count)
        assert len(rows) == count, f"{count} calls were expected, {len(rows)} were made"
        return rows


def check(row: Row, tokens: tuple[int, int], **expected: object) -> None:
    """A completed call's row: these columns, these tokens, and the cost that they have at the model's list price."""
    expected = {"outcome": "completed", "status": 200, "usage_source": "reported", "attempts": 1, **expected}
    assert columns(row, expected) == expected
    assert (row["input_tokens"], row["output_tokens"]) == tokens
    input_nano_usd, output_nano_usd = RATES_NANO_USD[str(row["requested_model"])]
    assert row["price_status"] == "priced"
    assert row["cost_nano_usd"] == tokens[0] * input_nano_usd + tokens[1] * output_nano_usd


def check_free(row: Row, **expected: object) -> None:
    """A completed call that providers do not bill."""
    expected = {"outcome": "completed", "status": 200, "usage_source": "none", "dialect": "free", **expected}
    assert columns(row, expected) == expected
    assert (row["cost_nano_usd"], row["price_status"], row["streaming"]) == (0, "free", False)


def columns(row: Row, named: Mapping[str, object]) -> Row:
    """The columns of a row that are named."""
    return {name: row[name] for name in named}
