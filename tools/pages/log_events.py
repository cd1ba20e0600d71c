"""The page of log events: each line that Tollhouse may write on standard error."""

from __future__ import annotations

from pages.table import MADE, table
from tollhouse.telemetry.log import CATALOGUE


def page() -> str:
    """Markdown."""
    rows = [(f"`{event}`", meaning) for event, meaning in CATALOGUE.items()]
    return (
        f"{MADE}\n# Log events\n\n"
        "One JSON object a line on standard error: `event`, `level`, `timestamp` and the event's fields, which are\n"
        "ids, counts and codes. An exception is named by its type and the place that raised it, never by its message.\n"
        "Calls that went well are not logged: the ledger is their log.\n\n"
        f"{table(('event', 'means'), rows)}"
    )
