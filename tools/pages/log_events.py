"""The page of log events: each line that Tollhouse may write to its log."""

from __future__ import annotations

from pages.table import MADE, table
from tollhouse.telemetry.log import CATALOGUE


def page() -> str:
    """Markdown."""
    rows = [(f"`{event}`", meaning) for event, meaning in CATALOGUE.items()]
    return (
        f"{MADE}\n# Log events\n\n"
        "One JSON object a line: `event`, `level`, `timestamp` and the event's fields, which are ids, counts and\n"
        "codes. Each process writes to standard error; `tollhouse up` and `tollhouse gateway` collect what their\n"
        "workers write in `log/tollhouse.log` in the data directory. An exception is named by its type and the place\n"
        "that raised it, never by its message.\n"
        "Calls that went well are not logged: the ledger is their log.\n\n"
        f"{table(('event', 'means'), rows)}"
    )
