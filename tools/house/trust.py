"""Trust: who may open a secret, who may catch everything, and that no exception is swallowed in silence."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from house.source import Finding, Source

# Where a secret leaves its wrapper, and why it must there.
REVEALS: dict[str, str] = {
    "src/tollhouse/settings.py": "hands secrets to a worker through a pipe",
    "src/tollhouse/identity/keys.py": "hashes and prints a gateway key",
    "src/tollhouse/identity/pepper.py": "reads the peppers that keys are hashed under",
    "src/tollhouse/vault/settings_source.py": "makes the fingerprint by which a credential is known",
    "src/tollhouse/gateway/send.py": "puts the provider's key on the request",
    "src/tollhouse/storage/secret_file.py": "derives the passwords of the database's roles",
}
# Edges at which a fault of any kind is turned into an outcome.
CATCHES: dict[str, str] = {
    "src/tollhouse/gateway/pipeline.py::corridor": "a defect ends one call, not the worker",
    "src/tollhouse/gateway/upstream.py::Connection": "what a sink raises is raised again where its call waits",
    "src/tollhouse/ledger/delivery.py::Delivery": "a defect at the database's edge must not end the shipping",
}
WIDE = frozenset(("Exception", "BaseException"))


def reveals(source: Source) -> Iterator[Finding]:
    """Calls of `.reveal()`, by file."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal":
            yield Finding(key=source.path, says=f"line {node.lineno}: opens a secret; only {len(REVEALS)} files may")


def wide_catches(source: Source) -> Iterator[Finding]:
    """`except Exception`, `except BaseException` and bare `except`, by the outermost definition around them."""
    for outer in source.tree.body:
        name = getattr(outer, "name", "module")
        for node in ast.walk(outer):
            if isinstance(node, ast.ExceptHandler) and _is_wide(node.type) and not _raises_again(node):
                yield Finding(
                    key=f"{source.path}::{name}", says=f"line {node.lineno}: catches everything; only an edge may"
                )
            elif isinstance(node, ast.Call) and _called(node) == "suppress" and any(map(_is_wide, node.args)):
                yield Finding(key=f"{source.path}::{name}", says=f"line {node.lineno}: suppresses everything")


def swallowed(source: Source) -> Iterator[Finding]:
    """Handlers that do nothing and do not say why; a `suppress` without its reason."""
    lines = source.lines
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and all(map(_does_nothing, node.body)):
            # The reason may stand on the line above, as the rest of a `try` often does.
            span = lines[node.lineno - 1 : node.end_lineno]
            if not any("# " in line for line in span):
                yield Finding(
                    key=f"{source.path}:{_first_words(node)}", says=f"line {node.lineno}: swallowed without a word why"
                )
        elif isinstance(node, ast.Call) and _called(node) == "suppress":
            span = lines[max(0, node.lineno - 2) : node.lineno + 1]
            if not any("# " in line for line in span):
                yield Finding(key=f"{source.path}:suppress", says=f"line {node.lineno}: suppressed without a word why")


def _raises_again(node: ast.ExceptHandler) -> bool:
    """Tidies up and lets the exception go on."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_wide(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(map(_is_wide, kind.elts))
    return isinstance(kind, ast.Name) and kind.id in WIDE


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _first_words(node: ast.ExceptHandler) -> str:
    return ast.unparse(node.type) if node.type is not None else "except"
