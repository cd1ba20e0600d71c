"""Documents: links lead somewhere, named paths exist, promises have their test, dependencies their decision."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import PurePosixPath

from house.source import Finding

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
TEST_NAME = re.compile(r"`(tests/[\w/.-]+\.py)(?:::(\w+))?`")
RULE = re.compile(r"\|[|\s:-]+")
COVERS = re.compile(r"^Dependenc(?:y|ies): (.+)$", re.MULTILINE)
MAKE = re.compile(r"`make ([a-z]+)")
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)
DECISION_LINES_MAX = 60
DECISION_PARTS = ("## Why", "## What it drags in", "## How we would leave")
SUFFIXES = frozenset((".py", ".md", ".sql", ".toml", ".in", ".lock", ".json"))


def anchor(heading: str) -> str:
    """The fragment by which a heading is linked, as GitHub makes it."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def dead_links(path: str, text: str, documents: Mapping[str, str], files: Collection[str]) -> Iterator[Finding]:
    """Relative links to files, folders or headings that are not there. `documents`: text of the Markdown files."""
    folder = PurePosixPath(path).parent
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        where = _normal(folder / name) if name else path
        if where not in files and not any(file.startswith(where.rstrip("/") + "/") for file in files):
            yield Finding(key=f"{path}::{target}", says="the link leads nowhere")
        elif fragment and fragment not in {anchor(heading) for heading in HEADING.findall(documents.get(where, ""))}:
            yield Finding(key=f"{path}::{target}", says="the page has no such heading")


def missing_paths(path: str, text: str, files: Collection[str]) -> Iterator[Finding]:
    """Paths in backticks that do not exist, from the root or from the package."""
    for named in NAMED_PATH.findall(FENCE.sub("", text)):
        if "/" not in named and PurePosixPath(named).suffix not in SUFFIXES:
            continue
        if "NNNN" not in named and not _exists(named, files):
            yield Finding(key=f"{path}::{named}", says="no such file or folder")


def missing_targets(path: str, text: str, makefile: str) -> Iterator[Finding]:
    """Commands `make TARGET` that the Makefile does not know."""
    targets = set(TARGET.findall(makefile))
    for named in sorted(set(MAKE.findall(text)) - targets):
        yield Finding(key=f"{path}::make {named}", says="the Makefile has no such target")


def unshown_promises(path: str, text: str, tests: Mapping[str, ast.Module]) -> Iterator[Finding]:
    """Lines of the tables of promises that name no test, or one that is not there."""
    lines = [*text.split("\n"), ""]
    for number, (line, below) in enumerate(pairwise(lines), 1):
        # A table's head stands above its rule; neither is a promise.
        if not line.startswith("|") or RULE.fullmatch(line) or RULE.fullmatch(below):
            continue
        named = TEST_NAME.findall(line)
        if not named:
            yield Finding(key=f"{path}:{line[:40]}", says=f"line {number}: a promise without a test is not made")
        for file, function in named:
            if not _has_test(tests.get(file), function):
                yield Finding(key=f"{path}:{file}::{function}", says=f"line {number}: no such test")


def undecided(dependencies: Collection[str], decisions: Mapping[str, str]) -> Iterator[Finding]:
    """Direct dependencies without a decision record, and records of dependencies that are gone."""
    covered = {
        name.strip().strip("`").lower(): path
        for path, text in decisions.items()
        for line in COVERS.findall(text)
        for name in line.split(",")
    }
    for name in sorted(set(dependencies) - covered.keys()):
        yield Finding(key=name, says="a dependency without a decision record")
    for name in sorted(covered.keys() - set(dependencies)):
        yield Finding(key=covered[name], says=f"{name} is no dependency any more")


def bad_decision(path: str, text: str) -> Iterator[Finding]:
    """Decision records that are over a page, or leave out what a dependency's record has to say."""
    if text.count("\n") > DECISION_LINES_MAX:
        yield Finding(key=path, says=f"over a page ({DECISION_LINES_MAX} lines)")
    if not re.match(r"# \d{4} ", text):
        yield Finding(key=path, says="does not open with '# NNNN title'")
    if COVERS.search(text):
        for part in DECISION_PARTS:
            if part not in text:
                yield Finding(key=path, says=f"a dependency's record has a part '{part}'")


def dependency_names(pyproject: str) -> list[str]:
    """The distributions that the project names itself, lower case, without extras."""
    listed = tomllib.loads(pyproject)["project"]["dependencies"]
    return [re.split(r"[\[<>=~! ;]", line, maxsplit=1)[0].lower() for line in listed]


def _exists(named: str, files: Collection[str]) -> bool:
    """From the root, from the package, or, without a folder, anywhere."""
    if "/" not in named and any(file.endswith("/" + named) for file in files):
        return True
    for root in ("", "src/tollhouse/"):
        candidate = root + named
        if candidate in files or any(file.startswith(candidate.rstrip("/") + "/") for file in files):
            return True
    return False


def _has_test(tree: ast.Module | None, function: str) -> bool:
    if tree is None:
        return False
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return function in names if function else True


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
