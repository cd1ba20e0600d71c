"""What the proofs share: a directory with a short path, and the table of figures that each ends with.

`make prove` runs them at full count and prints the tables that docs/proofs.md shows; `make test` runs the same code at
a small count.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from figures import Figures


@pytest.fixture
def figures(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Figures]:
    """The proof's figures, printed when it is over."""
    figures = Figures()
    yield figures
    if table := figures.table():
        with capsys.disabled():
            print(f"\n\n### {request.node.name}\n\n{table}\n")


@pytest.fixture
def place() -> Iterator[Path]:
    """A new directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
