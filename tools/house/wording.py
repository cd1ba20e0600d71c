"""Words: which docstrings must be there, and which names say nothing.

Every file says what it is for. Public functions and classes of the product say what types cannot; so do the methods of
a protocol, which are its promises. A test's docstring is the behaviour that it shows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from house.source import Finding, Source, functions

EMPTY_WORDS = frozenset(("util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"))
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def missing_docstrings(source: Source) -> Iterator[Finding]:
    """Files, public definitions, protocol methods and tests without a docstring."""
    if not ast.get_docstring(source.tree):
        yield Finding(key=source.path, says="the file does not open with a docstring")
    if source.path.startswith("tests/"):
        yield from _undocumented_tests(source)
        return
    for node in source.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield Finding(key=f"{source.path}::{node.name}", says="public, and has no docstring")
        if isinstance(node, ast.ClassDef) and _is_protocol(node):
            yield from _undocumented_promises(source, node)


def empty_names(source: Source) -> Iterator[Finding]:
    """Files, functions and classes named by a word that names nothing."""
    for part in source.path.removesuffix(".py").split("/"):
        if _words(part) & EMPTY_WORDS:
            yield Finding(key=source.path, says=f"the name '{part}' does not say what is in it")
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        # A test's name is a sentence, and a sentence may have the word.
        if not node.name.startswith("test_") and _words(node.name) & EMPTY_WORDS:
            yield Finding(key=f"{source.path}::{node.name}", says="the name does not say what it is")


def _undocumented_tests(source: Source) -> Iterator[Finding]:
    for function in functions(source.tree):
        if function.node.name.startswith("test_") and not ast.get_docstring(function.node):
            yield Finding(key=f"{source.path}::{function.name}", says="a test whose docstring states no behaviour")


def _undocumented_promises(source: Source, node: ast.ClassDef) -> Iterator[Finding]:
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # A callable protocol has one method, and the class's docstring is about it.
        if method.name != "__call__" and not ast.get_docstring(method):
            yield Finding(key=f"{source.path}::{node.name}.{method.name}", says="a promise without words")


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def _words(name: str) -> set[str]:
    return {word.lower() for word in WORD.findall(name)}
