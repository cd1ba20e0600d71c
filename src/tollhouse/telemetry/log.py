"""Log: named events with fields, one JSON object a line on standard error.

Events come from `CATALOGUE`; an event that is not in it is a defect. Fields carry ids, counts and codes - never a body,
a key, a header's value or an exception's locals. Successful calls are not logged: the ledger is their log.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

CATALOGUE: Mapping[str, str] = {
    "worker.started": "a gateway worker accepts calls",
    "worker.stopping": "a gateway worker was told to stop and lets open calls finish",
    "worker.stopped": "a gateway worker has shipped what it could and ends",
    "worker.died": "a gateway worker ended unasked; another takes its place",
    "worker.recovered": "calls that a dead worker left open were settled from its journal",
    "call.fault": "a defect of Tollhouse ended a call",
    "provider.unreachable": "a provider could not be reached or did not answer",
    "journal.unwritable": "the journal cannot be written; calls are refused until it can",
    "journal.writable": "the journal can be written again",
    "journal.roll_failed": "a new journal segment could not be begun; the old one goes on",
    "journal.closing_lost": "a closed call found no room, neither on disk nor in memory; recovery settles it",
    "journal.damaged": "a journal segment holds bytes that are no entry; the rest was read",
    "journal.torn": "a journal ends in the middle of an entry, as after a crash; the whole entries were read",
    "journal.header_damaged": "a journal segment does not begin as one; its entries were looked for all the same",
    "journal.unreadable": "a journal could not be read; it is tried again",
    "journal.recovered": "a dead worker's journal was settled and shipped",
    "recovery.waiting": "a dead worker's journal waits for the database",
    "recovery.failed": "a dead worker's journal could not be recovered; it is tried again",
    "shipper.fault": "shipping failed in a way that was not foreseen; it goes on",
    "shipper.cursor_unwritable": "the mark of what was shipped could not be written; rows may be sent again",
    "shipper.prune_failed": "a shipped segment could not be removed; it is tried again",
    "shipper.retention_cut": "shipped segments were removed early to stay within the journal's bound",
    "journal.close_deferred": "a closed call could not be written yet; it is kept in memory",
    "metrics.unwritable": "a worker's metrics could not be written to its run directory",
    "shipper.retry": "the database did not take a batch; it is sent again",
    "shipper.row_rejected": "the database refuses one call's row; it is kept in rejected.jsonl",
    "snapshot.stale": "the database cannot be asked for configuration; the last one is used",
    "snapshot.fresh": "configuration is up to date again",
    "snapshot.duplicate_key": "two workspaces hold the same key id; neither is accepted",
    "partition.retry": "time partitions could not be made ahead",
    "database.started": "the embedded database is ready",
    "database.died": "the embedded database ended unasked; it is started again",
    "database.unstartable": "the embedded database did not start; it is tried again",
    "supervisor.stopping": "Tollhouse was told to stop",
}


def configure(level: str, stream: TextIO | None = None, **bound: str) -> None:
    """Sets the process's log up, once, from its composition root; `bound` goes on every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _only_catalogued,
            structlog.processors.add_log_level,
            _timestamp,
            _exception_name,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)


class _Lost:
    """Lines that could not be written since the last one that was."""

    lines = 0


def log(event: str, level: str = "info", **fields: object) -> None:
    """Writes one event of the catalogue. A line that cannot be written is counted, and told in the next one that can:
    a full disk must not end a call, a thread or a worker."""
    if _Lost.lines:
        fields["lost_lines"] = _Lost.lines
    try:
        getattr(structlog.get_logger(), level)(event, **fields)
        _Lost.lines = 0
    except OSError:
        _Lost.lines += 1


def _only_catalogued(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    assert event["event"] in CATALOGUE, f"log event not in the catalogue: {event['event']}"
    return event


def _timestamp(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def _exception_name(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception is named by its type and where it was raised; its message may hold what it choked on."""
    error = event.pop("error", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            event["raised_at"] = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
    elif error is not None:
        event["error"] = error
    return event
