"""Places with short paths, and one running Tollhouse for the tests that only look at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import Stack


@pytest.fixture
def place() -> Iterator[Path]:
    """A new directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """As `tollhouse up --demo` starts it, with a pepper from the environment."""
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), environment={"TOLLHOUSE_PEPPER": "5e" * 32, "OTHER_SECRET": "hush"})
        try:
            yield stack.start()
        finally:
            stack.stop()
