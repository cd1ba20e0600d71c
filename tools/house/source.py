"""The tree as the rules see it: files of the project, with their text and, for Python, their syntax tree.

What git ignores (environments, caches, data) is no part of the project and is never read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
IGNORED = frozenset(("__pycache__", "data", "dist", "node_modules"))
PYTHON_FOLDERS = ("src", "tools", "tests", "bench")
DOTTED = frozenset((".ci", ".gitignore"))
BINARY = frozenset((".png", ".jpg", ".ico", ".gz", ".zip", ".woff2", ".der"))


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A Python file: its path from the root with '/', its text, its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        """The text's lines, the first at index 0."""
        return self.text.split("\n")


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function or method and the dotted name by which the rules know it."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule objects to. `key` is stable under edits elsewhere in the file: it is what a ratchet lists."""

    key: str
    says: str


def parse(path: str, text: str) -> Source:
    """A source from text, as the tests plant it."""
    return Source(path=path, text=text, tree=ast.parse(text))


@lru_cache(maxsize=1)
def project_files() -> tuple[str, ...]:
    """Every file of the project, from the root with '/', sorted."""
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in _walk(ROOT)))


@lru_cache(maxsize=1)
def python_sources() -> tuple[Source, ...]:
    """Every Python file of the project, parsed."""
    paths = [path for path in project_files() if path.endswith(".py") and path.split("/")[0] in PYTHON_FOLDERS]
    return tuple(parse(path, read(path)) for path in paths)


def product_sources() -> tuple[Source, ...]:
    """The files of the package alone."""
    return tuple(source for source in python_sources() if source.path.startswith("src/tollhouse/"))


def text_files() -> Iterator[tuple[str, str]]:
    """Path and text of every file that is text."""
    for path in project_files():
        if Path(path).suffix not in BINARY:
            yield path, read(path)


def read(path: str) -> str:
    """The text of a file, by its path from the root."""
    return (ROOT / path).read_text("utf-8")


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method of a module, nested ones too, outer before inner."""
    yield from _functions_in(tree, "")


def _functions_in(node: ast.AST, prefix: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(name=prefix + child.name, node=child)
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from _functions_in(child, f"{prefix}{child.name}." if named else prefix)  # type: ignore[attr-defined]


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        hidden = entry.name.startswith(".") and entry.name not in DOTTED
        if hidden or entry.name in IGNORED or entry.name.endswith(".egg-info") or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry
