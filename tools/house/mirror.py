"""Mirror: `tests/` is laid out as `src/` is, and every file with logic in it has its test.

A file of `src/tollhouse/ROOM/` has its test in `tests/ROOM/`: one named after it (`test_FILE.py`, `test_ROOM_FILE.py`)
or one that imports it by name. Files that only declare (`__init__.py`, records without methods) need none.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from house.source import Finding, Source

PACKAGE = "src/tollhouse/"


def has_logic(source: Source) -> bool:
    """Does the file define a function or a method with a body?"""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_stub(node)
        for node in ast.walk(source.tree)
    )


def untested(source: Source, tests: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Files with logic and no test. `tests`: path of each test file, and the modules that it imports."""
    inside = PurePosixPath(source.path.removeprefix(PACKAGE))
    if inside.stem in ("__init__", "__main__") or not has_logic(source):
        return
    room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
    module = "tollhouse." + ".".join(inside.with_suffix("").parts)
    names = {f"test_{inside.stem}.py", f"test_{room}_{inside.stem}.py"}
    for path, imported in tests.items():
        parts = PurePosixPath(path).parts
        # A file beside the rooms has its test at the top of tests/ or in a folder of its own name.
        at_home = parts[1] == room or (len(inside.parts) == 1 and len(parts) == 2)
        if at_home and (parts[-1] in names or module in imported):
            return
    yield Finding(key=source.path, says=f"no test in tests/{room}/ is named after it or imports it")


def imported_modules(source: Source) -> set[str]:
    """Modules that a test imports by their full name."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
    return found


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Only words or an ellipsis: a protocol's method."""
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body)
