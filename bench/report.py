"""The table: every row with its reference, the specification's limit and goal, and how far off it is."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

BEGIN = "<!-- bench: begin (made by `python -m bench --write`) -->"
END = "<!-- bench: end -->"
DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"

Figures = Mapping[str, Mapping[str, float]]
"""Group to figure to value, as `rows` measured them."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line: which figure, which reference beside it, what is asked of it. Lower is better unless `more`."""

    title: str
    group: str
    name: str
    unit: str
    reference: str | None = None
    limit: float | None = None
    goal: float | None = None
    beside: str | None = None
    more: bool = False
    factor: float = 1.0


ROWS = (
    Row(title="call, plain upstream", group="calls", name="plain", unit="µs CPU", reference="nginx_plain",
        beside="plain_database"),
    Row(title="call, TLS upstream", group="calls", name="tls", unit="µs CPU", reference="nginx_tls",
        limit=120, goal=80, beside="tls_database"),
    Row(title="call in vault mode with two labels, plain", group="vault", name="plain", unit="µs CPU",
        reference="nginx_plain", limit=120, goal=80, beside="plain_database"),
    Row(title="call with a body of 200 KB, plain", group="large", name="plain", unit="µs CPU",
        reference="nginx_plain", beside="plain_database"),
    Row(title="SSE event of 100 streams, plain upstream", group="events", name="plain", unit="µs CPU",
        reference="nginx_plain", limit=26, goal=20, beside="plain_database"),
    Row(title="SSE event of 100 streams, TLS upstream", group="events", name="tls", unit="µs CPU",
        reference="nginx_tls", beside="tls_database"),
    Row(title="memory of an open stream, plain upstream", group="open", name="plain_kb", unit="KiB",
        reference="nginx_plain_kb", limit=40, goal=20),
    Row(title="memory of an open stream, TLS upstream", group="open", name="tls_kb", unit="KiB",
        reference="nginx_tls_kb", limit=40, goal=20),
    Row(title="memory of an open stream, long run", group="long", name="tls_kb", unit="KiB", limit=40, goal=20),
    Row(title="added latency at concurrency 1, p50", group="latency", name="added_p50_ms", unit="ms",
        reference="nginx_added_p50_ms", limit=0.5, goal=0.25),
    Row(title="added latency at concurrency 1, p99", group="latency", name="added_p99_ms", unit="ms",
        reference="nginx_added_p99_ms"),
    Row(title="memory of an idle worker", group="idle", name="worker_mb", unit="MiB", limit=90, goal=60),
    Row(title="`tollhouse up` to the first call answered", group="start", name="start_s", unit="s", limit=4, goal=2),
    Row(title="calls booked in the database, 1 writer", group="database", name="settled_per_s_1", unit="calls/s",
        more=True),
    Row(title="calls booked in the database, 2 writers", group="database", name="settled_per_s_2", unit="calls/s",
        limit=5_000, goal=10_000, more=True),
    Row(title="call with 10,000 keys (reference: with one)", group="growth", name="keys_many", unit="µs CPU",
        reference="keys_1"),
)  # fmt: skip

QUIET_NGINX_US = {"plain": 14.0, "tls": 17.0}
"""nginx on a quiet machine of the kind that limits and goals were set on."""


def table(figures: Figures, *, quick: bool) -> str:
    """The table as Markdown, with what must be known to read it."""
    lines = [f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {_machine()}{', --quick' if quick else ''}.", ""]
    lines += ["| | gateway | reference | ratio | limit | goal | to the limit | database beside it |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        group = figures.get(row.group, {})
        if row.name in group:
            lines.append(_line(row, group))
    lines += ["", *_notes(figures)]
    return "\n".join(lines) + "\n"


def _line(row: Row, group: Mapping[str, float]) -> str:
    value = group[row.name]
    reference = group.get(row.reference or "")
    cells = [
        row.title,
        f"**{shown(value)} {row.unit}**",
        f"{shown(reference)}" if reference is not None else "–",
        f"{value / reference:.1f}" if reference else "–",
        shown(row.limit) if row.limit is not None else "–",
        shown(row.goal) if row.goal is not None else "–",
        _distance(row, value),
        f"{shown(group[row.beside])} µs" if row.beside and row.beside in group else "–",
    ]
    return "| " + " | ".join(cells) + " |"


def _distance(row: Row, value: float) -> str:
    if row.limit is None:
        return "–"
    ratio = row.limit / value if row.more else value / row.limit
    return "kept" if ratio <= 1 else f"missed: {ratio:.1f} ×"


def _notes(figures: Figures) -> list[str]:
    calls = figures.get("calls", {})
    if "empty" not in calls:
        return []
    notes = [
        f"uvicorn answering an empty request: {shown(calls['empty'])} µs; a call through the gateway costs "
        f"{calls['plain'] / calls['empty']:.1f} (plain) and {calls['tls'] / calls['empty']:.1f} (TLS) of these."
    ]
    if "nginx_plain" not in calls:
        return [*notes, "nginx is not installed here, so there is no floor to compare with."]
    slow = calls["nginx_plain"] / QUIET_NGINX_US["plain"]
    quiet = calls["tls"] / (calls["nginx_tls"] / QUIET_NGINX_US["tls"])
    notes.append(
        f"nginx cost {slow:.1f} times what it does on the quiet machine for which limits and goals were set; "
        f"by its measure a call over TLS stands at {quiet:.0f} µs."
    )
    return [" ".join(notes)]


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"{model}, Python {platform.python_version()}, load average at the end {load}"


def write(text: str) -> None:
    """Replaces the marked block of docs/performance.md; ValueError if the marks are not there."""
    before, begin, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no block for the table")
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", "utf-8")
