"""The journals: whether recorded calls reach the database, and what dead workers left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tollhouse.bootstrap.doctor.model import Finding, broken, ok, warning
from tollhouse.kernel.errors import JournalError
from tollhouse.ledger.inspection import JournalState, journal_states, kept_rejections

CHECK = "journal"
BEHIND_BYTES = 32 << 20
"""Some thousands of calls: a shipper that is well is far from it."""


def journal_findings(data_dir: Path) -> list[Finding]:
    """Looks at the journals on disk."""
    try:
        return states_findings(journal_states(data_dir), kept_rejections(data_dir))
    except JournalError as error:
        return [broken(CHECK, str(error), "run this as the account that runs Tollhouse")]


def states_findings(states: Sequence[JournalState], kept: int) -> list[Finding]:
    """What the journals' states mean; `kept` counts files of refused calls whose journals are gone. Pure."""
    live = [state for state in states if state.held]
    orphans = [state for state in states if not state.held and state.unshipped_bytes]
    waiting = sum(state.unshipped_bytes for state in live)
    findings = []
    if orphans:
        size = sum(state.unshipped_bytes for state in orphans)
        text = f"{len(orphans)} journal(s) of workers that died hold {size} bytes that are not in the database yet"
        findings.append(
            warning(CHECK, text, "a running gateway on this host settles them within seconds: 'tollhouse up'")
        )
    if waiting > BEHIND_BYTES:
        text = f"{waiting >> 20} MiB wait to be shipped"
        findings.append(warning(CHECK, text, "see whether the database is away or slow; nothing is lost meanwhile"))
    rejected = sum(state.rejected for state in states) + kept
    if rejected:
        text = f"the database refused calls, which are kept in {rejected} file(s) 'rejected.jsonl' under journal/"
        findings.append(broken(CHECK, text, "they are not in any total: report them, with the version of Tollhouse"))
    if not findings:
        findings.append(ok(CHECK, f"{len(live)} in use, {waiting} bytes not shipped yet"))
    return findings
