"""What a command prints: JSON for programs, a table for a terminal, aligned plain text where it is piped.

Text from outside (a model's name, a label) is shown without control characters, since a terminal obeys them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec

from tollhouse.ledger.line import printable


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A heading; numbers stand to the right."""

    title: str
    right: bool = False


def columns(*titles: str) -> tuple[Column, ...]:
    """Columns of these titles; one that begins with `>` stands to the right."""
    return tuple(Column(title=title.removeprefix(">"), right=title.startswith(">")) for title in titles)


def print_json(value: object) -> None:
    """One line of JSON."""
    print_bytes(msgspec.json.encode(value))


def print_bytes(line: bytes) -> None:
    """A line that is JSON already."""
    print(line.decode(), flush=True)


def print_text(text: str) -> None:
    """A line of text."""
    print(text, flush=True)


def print_table(heads: Sequence[Column], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A table, or `empty` on standard error where it has no row."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        print(empty, file=sys.stderr, flush=True)
    elif sys.stdout.isatty():
        _print_rich(heads, cells)
    else:
        print_text("\n".join(plain_table(heads, cells)))


def plain_table(heads: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the columns under each other, two spaces between them."""
    lines = [[head.title for head in heads], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    return ["  ".join(_pad(*cell) for cell in zip(line, widths, heads, strict=True)).rstrip() for line in lines]


def _pad(text: str, width: int, head: Column) -> str:
    return text.rjust(width) if head.right else text.ljust(width)


def _print_rich(heads: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """As wide as it is: a narrow terminal wraps lines, which leaves ids whole, where folded cells would not."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head.title, justify="right" if head.right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    needed = max(len(line) for line in plain_table(heads, rows)) + 2 * len(heads)
    Console(width=max(needed, Console().width), soft_wrap=True).print(table)
