"""Purity: a file whose name is plain decides and does nothing: no I/O, clock, randomness, logging, async, globals.

Shell, by architecture: the planes and what starts them (`SHELL_ROOMS`), files named `store`, `api` or `*_client`,
folders `sinks` and `channels`. Other files that act are listed one by one in `SHELL_FILES`; the list may only name
files that exist and that are not pure. A file anywhere whose docstring says that it is pure is held to it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from house.source import Finding, Source

PACKAGE = "src/tollhouse/"
SHELL_ROOMS = frozenset(
    (
        "storage",
        "telemetry",
        "gateway",
        "control",
        "jobs",
        "cli",
        "simulator",
        "bootstrap",
        "settings.py",
        "__main__.py",
    )
)
SHELL_FOLDERS = frozenset(("sinks", "channels"))
SHELL_FILES = frozenset(
    (
        "identity/pepper.py",
        "ledger/cursor.py",
        "ledger/delivery.py",
        "ledger/inspection.py",
        "ledger/journal.py",
        "ledger/journal_sync.py",
        "ledger/lost_calls.py",
        "ledger/ports.py",
        "ledger/recovery.py",
        "ledger/reserve.py",
        "ledger/segments.py",
        "ledger/shipper.py",
        "ledger/tail.py",
        "ledger/waiting.py",
        "pricing/book_file.py",
        "snapshot/refresher.py",
    )
)
IMPURE_MODULES = frozenset(
    (
        "asyncio", "fcntl", "http", "httptools", "io", "logging", "mmap", "multiprocessing", "os", "psycopg",
        "psycopg_pool", "random", "secrets", "select", "shutil", "signal", "socket", "ssl", "structlog", "subprocess",
        "sys", "tempfile", "threading", "time", "urllib.request", "uuid", "uvicorn", "uvloop",
        "tollhouse.storage", "tollhouse.telemetry",
    )
)  # fmt: skip
IMPURE_CALLS = frozenset(("open", "print", "input", "exec", "eval", "__import__"))
IMPURE_METHODS = frozenset(
    ("now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "iterdir")
)
CLAIM = re.compile(r"(?:^|[.\n]\s*)Pure\b")


def is_shell(path: str) -> bool:
    """May a file do I/O, by its name and place?"""
    inside = PurePosixPath(path.removeprefix(PACKAGE))
    if inside.parts[0] in SHELL_ROOMS or SHELL_FOLDERS.intersection(inside.parts[:-1]):
        return True
    if inside.stem in ("store", "api") or inside.stem.endswith("_client"):
        return True
    return str(inside) in SHELL_FILES


def claims_purity(source: Source) -> bool:
    """Does the file's docstring say that it is pure?"""
    return bool(CLAIM.search(ast.get_docstring(source.tree) or ""))


def acts(source: Source) -> Iterator[Finding]:
    """What a file does that a pure file does not."""
    for node in ast.walk(source.tree):
        for what in _acts_of(node):
            yield Finding(
                key=f"{source.path}::{what}", says=f"line {getattr(node, 'lineno', 0)}: a pure file has no {what}"
            )


def impurities(source: Source) -> Iterator[Finding]:
    """What is not pure in a file that must be, or that says it is."""
    if not is_shell(source.path) or claims_purity(source):
        yield from acts(source)


def _acts_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {name.name}" for name in node.names if _impure(name.name))
    elif isinstance(node, ast.ImportFrom) and node.module:
        # `from tollhouse import storage` names the module as its second half.
        names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        yield from (f"import {name}" for name in names[:1] if _impure(name))
        if not _impure(node.module):
            yield from (f"import {name}" for name in names[1:] if _impure(name))
    elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        yield "async"
    elif isinstance(node, ast.Global):
        yield "global"
    elif isinstance(node, ast.Call):
        yield from _acts_of_call(node)


def _acts_of_call(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
        yield f"{node.func.id}()"
    elif isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
        yield f".{node.func.attr}()"


def _impure(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in IMPURE_MODULES)
