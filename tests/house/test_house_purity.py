"""Files that decide do nothing else."""

from __future__ import annotations

import pytest

from house import purity
from house.ratchet import demand, overlooked
from house.source import parse, product_sources

PURE = "src/tollhouse/pricing/rules.py"


def test_pure_files_are_pure() -> None:
    """No I/O, clock, randomness, logging, async or globals where the name or the docstring says that a file decides."""
    found = [finding for source in product_sources() for finding in purity.impurities(source)]
    demand(found, overlooked("purity"))


def test_every_file_that_is_listed_as_shell_is_needed_there() -> None:
    """The list of files that act may only name files that exist and that do act."""
    sources = {source.path.removeprefix(purity.PACKAGE): source for source in product_sources()}
    assert sorted(purity.SHELL_FILES - sources.keys()) == []
    ports = {path for path in purity.SHELL_FILES if not list(purity.acts(sources[path]))}
    assert ports == set()


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import socket as s",
        "from asyncio import sleep",
        "import time",
        "from random import random",
        "import logging",
        "from tollhouse.telemetry.log import log",
        "from tollhouse import storage",
        "async def f(): pass",
        "now = datetime.now(UTC)",
        "text = open('x')",
        "text = path.read_text()",
        "def f():\n  global x",
    ],
)
def test_an_act_in_a_pure_file_is_found(line: str) -> None:
    """Control: each way of acting is found in a file that decides, and none in a store."""
    assert len(list(purity.impurities(parse(PURE, line)))) == 1
    assert list(purity.impurities(parse("src/tollhouse/pricing/store.py", line))) == []


def test_a_file_that_says_it_is_pure_is_held_to_it() -> None:
    """Control: a docstring's claim binds in a plane too; the word in a sentence is no claim."""
    claimed = parse("src/tollhouse/gateway/headers.py", '"""Which headers travel. Pure."""\nimport time\n')
    assert len(list(purity.impurities(claimed))) == 1
    not_claimed = parse("src/tollhouse/gateway/app.py", '"""Calls what is pure and acts."""\nimport time\n')
    assert list(purity.impurities(not_claimed)) == []
