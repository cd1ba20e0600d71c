"""Leftovers: what no file of the project may hold - unfinished work, tests that do not run, places that are nobody
else's business, and anything that looks like a key.

The patterns are written so that they do not match themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from house.source import Finding, Source

UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
NOT_BUILT = "NotImplementedError"
NOT_RUN = frozenset(("skip", "skipif", "xfail", "importorskip"))
PLACES: dict[str, re.Pattern[str]] = {
    "a package registry's host": re.compile(
        r"pypi\.(?:org|python)|python"
        r"hosted\.org|registry\.npm"
        r"js|proxy\.go"
        r"lang\.org|(?:static\.)?crates\.i"
        r"o\b"
    ),
    "a machine's path": re.compile(r"(?<![\w.~$}])/(?:root|work|tmp|Users|home/\w+)/"),
    "an issue's number": re.compile(
        r"(?i)\b(?:issue|pull request|PR|GH|ticket)[ -]?#?\d+\b|(?<=\s)#\d{1,5}\b(?![-\w])"
    ),
}
KEYS = re.compile(
    r"\b(?:sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{24,}|AIza[0-9A-Za-z_-]{35}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}"
    r"|xox[abp]-[A-Za-z0-9-]{20,}|th_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49})\b|-----BEGIN [A-Z ]*PRIVATE "
    r"KEY-----"
)
PRETENDED = re.compile(r"(?i)test|example|fake|demo|canary|simulat|placeholder|secret|not-?a|xxxx|0000|1234|abcd")
CHARACTERS_OF_A_REAL_KEY_MIN = 14


def unfinished(path: str, text: str) -> Iterator[Finding]:
    """Marks of work that somebody meant to come back to."""
    for number, line in enumerate(text.split("\n"), 1):
        if UNFINISHED.search(line):
            yield Finding(key=path, says=f"line {number}: unfinished work is not left in the tree")


def not_built(source: Source) -> Iterator[Finding]:
    """Code that says of itself that it is missing."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == NOT_BUILT:
            yield Finding(
                key=source.path,
                says=f"line {node.lineno}: {NOT_BUILT} is a promise of code; write it, or raise what it is",
            )


def not_run(source: Source) -> Iterator[Finding]:
    """Tests that are passed over or expected to fail."""
    for node in ast.walk(source.tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in NOT_RUN and (not isinstance(node, ast.Attribute) or _of_pytest(node.value)):
            yield Finding(
                key=source.path,
                says=f"line {getattr(node, 'lineno', 0)}: a test that does not run shows nothing ({name})",
            )


def places(path: str, text: str) -> Iterator[Finding]:
    """Hosts, paths and numbers that mean something only where the file was written."""
    for number, line in enumerate(text.split("\n"), 1):
        for what, pattern in PLACES.items():
            found = pattern.search(line)
            if found:
                yield Finding(key=path, says=f"line {number}: {what} ({found[0].strip()})")


def keys(path: str, text: str) -> Iterator[Finding]:
    """What looks like a real credential: the shape of one, nothing that says it is made up, and many characters."""
    for number, line in enumerate(text.split("\n"), 1):
        for found in KEYS.finditer(line):
            value = found[0]
            real = len(set(value)) >= CHARACTERS_OF_A_REAL_KEY_MIN and not PRETENDED.search(value)
            if real or value.startswith("-----"):
                yield Finding(key=path, says=f"line {number}: looks like a key ({value[:8]}…)")


def _of_pytest(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("pytest", "mark", "unittest")
