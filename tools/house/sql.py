"""SQL: it lives in `.sql` files, one named statement after another, each bound to a tenant.

A statement begins with `-- name: some_name`, then at least one line of comment that says why it exists, then the SQL.
It names `tenant_id`, or a line `-- scope: operator` says that it is meant to see everything. Migrations are numbered
without gaps, say whether they run before or after new code, and are never built from strings in Python.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import msgspec

from house.source import Finding, Source

MIGRATIONS = "src/tollhouse/storage/migrations/"
MIGRATION_NAME = re.compile(r"(?P<number>\d{4})_(?:pre|post)_[a-z0-9_]+\.sql")
NAME_LINE = re.compile(r"--\s*name:\s*(\S+)\s*$")
SCOPE_LINE = re.compile(r"--\s*scope:\s*operator\b")
LOOKS_LIKE_SQL = re.compile(
    r"\s*(?:(?i:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\(|MERGE\s+INTO\s)"
    r"|(?i:(?:CREATE|ALTER|DROP)\s+(?:TABLE|ROLE|USER|FUNCTION|INDEX|SCHEMA|POLICY|DATABASE|VIEW|TRIGGER|EXTENSION|OR\s))"
    r"|GRANT\s+\w+\s|REVOKE\s+\w+\s|COPY\s+\S+.*\s(?:FROM|TO)\s+STD|SET\s+(?:LOCAL|ROLE|SESSION)\s|LISTEN\s+\w"
    r"|NOTIFY\s+\w|TRUNCATE\s)",
    re.DOTALL,
)
LOWER_CASE = re.compile(r"\b(?:select|insert|update|delete|from|where|returning|values|order by|group by)\b")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One named statement: the comment lines above it and its SQL."""

    name: str
    comments: tuple[str, ...]
    body: str


def edited_migrations(texts: Mapping[str, str], table: str) -> Iterator[Finding]:
    """Migrations that differ from their line in `table` (as `sha256sum` writes it), have none, or are gone. A landed
    migration is never edited: databases that it made refuse every later version. `texts`: by file name."""
    landed = {name: checksum for checksum, name in (line.split() for line in table.splitlines())}
    for name, text in sorted(texts.items()):
        if name not in landed:
            yield Finding(key=name, says="a new migration: add its line, as sha256sum writes it, to the table")
        elif hashlib.sha256(text.encode()).hexdigest() != landed[name]:
            yield Finding(key=name, says="a landed migration is never edited: put it back, and write a new one")
    for name in sorted(landed.keys() - texts.keys()):
        yield Finding(key=name, says="a landed migration is never removed: databases have it")


def sql_in_python(source: Source) -> Iterator[Finding]:
    """String constants, docstrings aside, that read as SQL."""
    words = _docstrings(source.tree)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in words:
            continue
        if LOOKS_LIKE_SQL.match(node.value) and not _is_sentence(node.value):
            begin = " ".join(node.value.split())[:40]
            yield Finding(key=f"{source.path}::{begin}", says=f"line {node.lineno}: SQL lives in .sql files")


def statements(text: str) -> tuple[list[str], list[Statement]]:
    """What stands before the first name, and the named statements of a file."""
    preamble: list[str] = []
    blocks: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        named = NAME_LINE.match(line)
        if named:
            blocks.append((named[1], []))
        elif blocks:
            blocks[-1][1].append(line)
        else:
            preamble.append(line)
    return preamble, [_statement(name, lines) for name, lines in blocks]


def bad_statements(path: str, text: str) -> Iterator[Finding]:
    """Statements without a name, a why, or a tenant; names that are there twice; keywords in lower case."""
    preamble, named = statements(text)
    if any(line.strip() and not line.lstrip().startswith("--") for line in preamble):
        yield Finding(key=path, says="SQL stands before the first '-- name:' line")
    if not named:
        yield Finding(key=path, says="no '-- name:' line")
    seen: set[str] = set()
    for statement in named:
        key = f"{path}::{statement.name}"
        yield from (Finding(key=key, says=problem) for problem in _problems(statement, seen))
        seen.add(statement.name)


def bad_migrations(paths: list[str]) -> Iterator[Finding]:
    """Migrations whose name says too little, and gaps or doubles in their numbers."""
    numbers = []
    for path in paths:
        matched = MIGRATION_NAME.fullmatch(PurePosixPath(path).name)
        if matched is None:
            yield Finding(key=path, says="a migration is named NNNN_pre_words.sql or NNNN_post_words.sql")
        else:
            numbers.append(int(matched["number"]))
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        yield Finding(key=MIGRATIONS, says=f"the numbers are not 1 to {len(numbers)} without gaps: {sorted(numbers)}")


def _problems(statement: Statement, seen: set[str]) -> Iterator[str]:
    why = [line for line in statement.comments if not SCOPE_LINE.match(line)]
    scoped = any(SCOPE_LINE.match(line) for line in statement.comments)
    if statement.name in seen:
        yield "the name is there twice"
    if not any(len(line.lstrip("- ").split()) >= 3 for line in why):
        yield "no line says why it exists"
    if "tenant_id" not in statement.body and not scoped:
        yield "names no tenant_id and is not marked '-- scope: operator'"
    lower = LOWER_CASE.search(re.sub(r"'[^']*'|--[^\n]*", "", statement.body))
    if lower:
        yield f"the keyword '{lower[0]}' is in lower case"


def _statement(name: str, lines: list[str]) -> Statement:
    comments = []
    for line in lines:
        if line.strip() and not line.startswith("--"):
            break
        comments.append(line)
    body = "\n".join(lines[len(comments) :])
    return Statement(name=name, comments=tuple(line for line in comments if line.strip()), body=body)


def _docstrings(tree: ast.Module) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        # A bare string is a docstring, or the words under a field.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
    return found


def _is_sentence(text: str) -> bool:
    """Prose such as 'Select a key …' begins like SQL; it ends with a full stop and has no keyword in capitals."""
    return text.rstrip().endswith((".", "…")) and not re.search(r"\b[A-Z]{4,}\b", text)
