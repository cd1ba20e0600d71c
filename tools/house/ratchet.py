"""The ratchet: for each rule, what it overlooks for now and why. A list may only shrink.

An entry that no longer matches a finding is itself a failure, so that what has been mended cannot come back unseen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping

from house.source import Finding, read

RATCHET = "tests/house/ratchet.toml"


def overlooked(rule: str) -> Mapping[str, str]:
    """A rule's entries in the ratchet: key of a finding, and the reason."""
    table: Mapping[str, str] = tomllib.loads(read(RATCHET)).get(rule, {})
    return table


def demand(findings: Iterable[Finding], overlooks: Mapping[str, str]) -> None:
    """AssertionError that lists every complaint, a line each; nothing if there is none."""
    __tracebackhide__ = True  # the list is the message, not how it was gathered
    wrong = complaints(findings, overlooks)
    if wrong:
        raise AssertionError("\n  ".join(("house rule broken:", *wrong)))


def complaints(findings: Iterable[Finding], overlooks: Mapping[str, str]) -> list[str]:
    """What is wrong: findings that are not overlooked, entries that are not needed or give no reason."""
    found = list(findings)
    keys = {finding.key for finding in found}
    new = [f"{finding.key}: {finding.says}" for finding in found if finding.key not in overlooks]
    stale = [f"{key}: no longer needed in {RATCHET}, remove it" for key in overlooks if key not in keys]
    mute = [f"{key}: the ratchet gives no reason" for key, reason in overlooks.items() if not reason.strip()]
    return sorted(set(new)) + sorted(stale) + sorted(mute)
