"""Sizes: how long a file and a function may be, and how many parameters a function may have.

How it is counted. A file: its lines. A function: from `def` to its last line, without its docstring, since words for
the reader are not to be saved. Parameters: all of them, keyword-only, `*args` and `**kwargs` included, but for `self`
and `cls`. What needs more is a record.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from house.source import Finding, Function, Source, functions

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
PARAMETERS_MAX = 6


def long_files(source: Source) -> Iterator[Finding]:
    """Files beyond the limit."""
    count = source.text.count("\n")
    if count > FILE_LINES_MAX:
        yield Finding(key=source.path, says=f"{count} lines, at most {FILE_LINES_MAX}")


def long_functions(source: Source) -> Iterator[Finding]:
    """Functions beyond the limit."""
    for function in functions(source.tree):
        count = _lines(function.node)
        if count > FUNCTION_LINES_MAX:
            yield Finding(key=_key(source, function), says=f"{count} lines, at most {FUNCTION_LINES_MAX}")


def many_parameters(source: Source) -> Iterator[Finding]:
    """Functions with more parameters than a reader can hold."""
    for function in functions(source.tree):
        count = _parameters(function.node)
        if count > PARAMETERS_MAX:
            yield Finding(key=_key(source, function), says=f"{count} parameters, at most {PARAMETERS_MAX}")


def _key(source: Source, function: Function) -> str:
    return f"{source.path}::{function.name}"


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    count = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        words = node.body[0]
        count -= (words.end_lineno or words.lineno) - words.lineno + 1
    return count


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    variable = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return sum(one.arg not in ("self", "cls") for one in named) + len(variable)
