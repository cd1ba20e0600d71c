"""Shared of the wire room's tests: where recordings are, and a word in the summary when they are not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

RECORDINGS_VARIABLE = "TOLLHOUSE_RECORDINGS"


def recordings_folder() -> Path | None:
    """The folder of recorded answers, if it was named and is there."""
    named = os.environ.get(RECORDINGS_VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many streams were cut at every byte, and so when the recorded answers were not read."""
    cut = [
        amount
        for report in terminalreporter.stats.get("passed", [])
        for name, amount in getattr(report, "user_properties", ())
        if name == "cut_bytes" and report.when == "call"
    ]
    if cut:
        terminalreporter.write_line(f"wire: {len(cut)} streams read the same when cut at each of {sum(cut):,} bytes")
    if recordings_folder() is None:
        terminalreporter.write_line(
            f"wire: no recorded answers ({RECORDINGS_VARIABLE} names no folder); generated ones alone were read",
            yellow=True,
        )


@pytest.fixture
def call_of() -> Callable[..., Call]:
    """Makes a call of a dialect, as its request reader would."""

    def make(dialect: Dialect, *, stream: bool = True, choices: int = 1, body: bytes = b"{}") -> Call:
        route = Route(
            family=Family.OPENAI, dialect=dialect, operation=Operation.CHAT, provider=None, upstream_path="/v1/x"
        )
        return Call(route=route, model="m", stream=stream, body=body, choices=choices)

    return make
