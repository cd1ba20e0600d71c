"""Layers: every room has its place in the import order that import-linter checks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator

from house.source import Finding


def rooms(files: Collection[str]) -> set[str]:
    """Top-level modules and packages of the product, as the import order names them."""
    found = set()
    for path in files:
        matched = re.match(r"src/tollhouse/([a-z_]+)(?:\.py|/.*\.py)$", path)
        if matched and not matched[1].startswith("_"):
            found.add("tollhouse." + matched[1])
    return found


def unplaced_rooms(files: Collection[str], pyproject: str) -> Iterator[Finding]:
    """Rooms without a layer, and layers without a room."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    layers = {
        name.strip(" ()") for contract in contracts for line in contract["layers"] for name in re.split(r"[|:]", line)
    }
    existing = rooms(files)
    for name in sorted(existing - layers):
        yield Finding(key=name, says="has no place in the import order (pyproject.toml, importlinter)")
    for name in sorted(layers - existing):
        yield Finding(key=name, says="is in the import order, and there is no such room")
