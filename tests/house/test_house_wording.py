"""Docstrings are there, and names say something."""

from __future__ import annotations

from house import wording
from house.ratchet import demand, overlooked
from house.source import parse, python_sources


def test_everything_public_says_what_it_is_for() -> None:
    """Files, public functions and classes, protocol methods and tests have a docstring."""
    found = [finding for source in python_sources() for finding in wording.missing_docstrings(source)]
    demand(found, overlooked("docstrings"))


def test_no_name_is_empty() -> None:
    """Nothing is named by a word that could stand for anything."""
    found = [finding for source in python_sources() for finding in wording.empty_names(source)]
    demand(found, overlooked("names"))


def test_missing_words_are_found() -> None:
    """Control: a file, a public function and a public class without words are three findings; private ones none."""
    source = parse("src/a.py", "def f(): pass\nclass C: pass\ndef _g(): pass\n")
    assert [finding.key for finding in wording.missing_docstrings(source)] == ["src/a.py", "src/a.py::f", "src/a.py::C"]


def test_a_promise_without_words_is_found() -> None:
    """Control: the methods of a protocol need words, a callable protocol has them on its class."""
    source = parse("a.py", '"""F."""\nclass P(Protocol):\n  """P."""\n  def m(self): ...\n  def __call__(self): ...\n')
    assert [finding.key for finding in wording.missing_docstrings(source)] == ["a.py::P.m"]


def test_a_test_without_a_behaviour_is_found() -> None:
    """Control: a test needs a docstring, what serves it does not."""
    source = parse("tests/a/test_a.py", '"""F."""\ndef test_x(): pass\ndef given(): pass\n')
    assert [finding.key for finding in wording.missing_docstrings(source)] == ["tests/a/test_a.py::test_x"]


def test_empty_names_are_found() -> None:
    """Control: in file names, function names and class names, alone or as a part; not in another word or a test."""
    assert [finding.key for finding in wording.empty_names(parse("src/date_utils.py", ""))] == ["src/date_utils.py"]
    source = parse(
        "a.py", "class KeyManager: pass\ndef misc_things(): pass\nclass Commonwealth: pass\ndef test_common_x(): pass\n"
    )
    assert [finding.key for finding in wording.empty_names(source)] == ["a.py::KeyManager", "a.py::misc_things"]
