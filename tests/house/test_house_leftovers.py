"""Nothing is left lying about: unfinished work, tests that do not run, private places, keys."""

from __future__ import annotations

import pytest

from house import leftovers
from house.ratchet import demand, overlooked
from house.source import parse, python_sources, text_files


def test_no_work_is_left_unfinished() -> None:
    """No file holds a mark of work to come back to."""
    found = [finding for path, text in text_files() for finding in leftovers.unfinished(path, text)]
    demand(found, overlooked("unfinished"))


def test_no_code_says_that_it_is_missing() -> None:
    """No function raises that it is not built."""
    found = [finding for source in python_sources() for finding in leftovers.not_built(source)]
    demand(found, overlooked("not_built"))


def test_every_test_runs() -> None:
    """No test is passed over or expected to fail."""
    found = [finding for source in python_sources() for finding in leftovers.not_run(source)]
    demand(found, overlooked("not_run"))


def test_no_file_names_a_private_place() -> None:
    """No registry's host, no machine's path, no issue's number."""
    found = [finding for path, text in text_files() for finding in leftovers.places(path, text)]
    demand(found, overlooked("places"))


def test_no_file_holds_a_key() -> None:
    """Nothing looks like a real credential."""
    found = [finding for path, text in text_files() for finding in leftovers.keys(path, text)]
    demand(found, overlooked("keys"))


@pytest.mark.parametrize("mark", ["# TO" + "DO later", "x = 1  # FIX" + "ME", "X" + "XX"])
def test_a_mark_of_unfinished_work_is_found(mark: str) -> None:
    """Control: the marks, in any file."""
    assert len(list(leftovers.unfinished("a.md", mark))) == 1
    assert list(leftovers.unfinished("a.md", "todo lists of customers")) == []


def test_code_that_is_missing_is_found() -> None:
    """Control: raised with or without words."""
    assert len(list(leftovers.not_built(parse("a.py", "raise NotImplemented" + "Error('later')")))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "@pytest.mark.skip\ndef f(): ...",
        "pytest.skip('x')",
        "@pytest.mark.xfail()\ndef f(): ...",
        "from pytest import x\nimportorskip('y')",
    ],
)
def test_a_test_that_does_not_run_is_found(line: str) -> None:
    """Control: by mark, by call, and by bare name; a parser's own `skip` is none."""
    assert len(list(leftovers.not_run(parse("tests/test_a.py", line)))) == 1
    assert list(leftovers.not_run(parse("a.py", "reader.skip(3)"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "see https://py" + "pi.org/project/x",
        "open('/ro" + "ot/x')",
        "cd /wo" + "rk/main",
        "/ho" + "me/alice/x",
        "as issue " + "#12 says",
        "fixes #" + "7",
    ],
)
def test_a_private_place_is_found(line: str) -> None:
    """Control: hosts, paths and numbers."""
    assert len(list(leftovers.places("a.md", line))) == 1


@pytest.mark.parametrize(
    "line", ["`/workspaces/x`", "[link](#1-usage)", "colour #12ab34", "${HOME}/work/x", "th/work/er"]
)
def test_an_innocent_line_is_not_found(line: str) -> None:
    """Control: what only looks alike."""
    assert list(leftovers.places("a.md", line)) == []


def test_a_key_is_found() -> None:
    """Control: the shape of a real one; not one that says it is made up, nor one of few characters."""
    value = "sk-" + "proj-" + "q7Zt9LmW2xVbN4kRpY8sHdFgJcE3uA6o"
    assert len(list(leftovers.keys("a.py", f"key = '{value}'"))) == 1
    assert list(leftovers.keys("a.py", "key = 'sk-" + "test-key-for-the-simulator-only'")) == []
    assert list(leftovers.keys("a.py", "key = 'sk-" + "a" * 40 + "'")) == []
