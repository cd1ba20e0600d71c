"""Catalogues: what the code says and what its lists say are the same - log events, metrics, refusals."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from house.source import Finding, Source

SAYING = frozenset(("log", "notice"))
EVENT = re.compile(r"[a-z]+(?:\.[a-z_]+)+")


def said_events(source: Source) -> Iterator[tuple[str, int]]:
    """Events that a file logs: the first argument of `log(…)`, `notice(…)` and their like."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _name(node.func).lstrip("_") in SAYING and node.args:
            for first in _strings(node.args[0]):
                if EVENT.fullmatch(first):
                    yield first, node.lineno


def strings(source: Source) -> set[str]:
    """Every string constant of a file; an event may be handed on by name."""
    return set(_strings(source.tree))


def event_mismatches(sources: Iterable[Source], catalogue: Collection[str]) -> Iterator[Finding]:
    """Events that are said and not listed, or listed and never said. `sources`: all but the catalogue's own file."""
    everywhere: set[str] = set()
    for source in sources:
        everywhere |= strings(source)
        for event, line in said_events(source):
            if event not in catalogue:
                yield Finding(key=event, says=f"{source.path} line {line}: not in the catalogue of telemetry/log.py")
    for event in sorted(set(catalogue) - everywhere):
        yield Finding(key=event, says="in the catalogue of telemetry/log.py, and nobody says it")


def unused_metrics(sources: Iterable[Source], own: Source, metrics: Collection[str]) -> Iterator[Finding]:
    """Metrics that nothing counts. `sources`: all but the metrics' `own` file, where one stands once as it is declared,
    and again if a method there counts it."""
    counted = Counter(_strings(own.tree))
    everywhere = {name for name, times in counted.items() if times > 1}
    for source in sources:
        everywhere |= strings(source)
    for metric in sorted(set(metrics) - everywhere):
        yield Finding(key=metric, says="declared in telemetry/metrics.py, and nothing counts it")


def undocumented_refusals(page: str, codes: Mapping[str, int]) -> Iterator[Finding]:
    """Refusal codes without their row `| `code` | status | …` on the page of errors, and rows of no code."""
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", page, re.MULTILINE))
    for code, status in codes.items():
        if rows.get(code) != str(status):
            yield Finding(key=code, says=f"docs/reference/errors.md has no row for it with status {status}")
    for code in sorted(rows.keys() - codes.keys()):
        yield Finding(key=code, says="on docs/reference/errors.md, and no refusal has it")


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
