"""Figures: the table that a proof ends with."""

from __future__ import annotations

import os

FULL = os.environ.get("TOLLHOUSE_PROVE") == "full"
"""Whether this is `make prove`: the full count."""


class Figures:
    """Rows of one proof's table, in the order in which they were noted."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str]] = []

    def note(self, what: str, amount: object) -> None:
        """One figure."""
        self._rows.append((what, f"{amount:,}" if isinstance(amount, int) else str(amount)))

    def table(self) -> str:
        """As docs/proofs.md shows it; empty where nothing was noted."""
        rows = [f"| {what} | {value} |" for what, value in self._rows]
        return "\n".join(["| figure | value |", "|---|---|", *rows]) if rows else ""
