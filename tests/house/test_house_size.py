"""Files, functions and lists of parameters stay as small as the style says."""

from __future__ import annotations

from house import size
from house.ratchet import demand, overlooked
from house.source import parse, python_sources


def test_no_file_is_too_long() -> None:
    """Every Python file has at most 400 lines."""
    found = [finding for source in python_sources() for finding in size.long_files(source)]
    demand(found, overlooked("file_lines"))


def test_no_function_is_too_long() -> None:
    """Every function has at most 40 lines beside its docstring."""
    found = [finding for source in python_sources() for finding in size.long_functions(source)]
    demand(found, overlooked("function_lines"))


def test_no_function_has_too_many_parameters() -> None:
    """Every function has at most 6 parameters, `self` aside."""
    found = [finding for source in python_sources() for finding in size.many_parameters(source)]
    demand(found, overlooked("parameters"))


def test_a_file_of_401_lines_is_found() -> None:
    """Control: one line more than allowed is a finding, the limit itself is none."""
    assert list(size.long_files(parse("src/a.py", "x = 1\n" * 400))) == []
    assert [finding.key for finding in size.long_files(parse("src/a.py", "x = 1\n" * 401))] == ["src/a.py"]


def test_a_function_of_41_lines_is_found_and_its_docstring_is_free() -> None:
    """Control: lines are counted from `def`, a docstring of any length is not."""
    words = '    """' + "words\n" * 30 + '    """\n'
    assert list(size.long_functions(parse("a.py", "def f():\n" + words + "    x = 1\n" * 39))) == []
    long = parse("a.py", "class C:\n def f(self):\n" + "    x = 1\n" * 40)
    assert [finding.key for finding in size.long_functions(long)] == ["a.py::C.f"]


def test_a_seventh_parameter_is_found() -> None:
    """Control: keyword-only parameters count, `self` does not."""
    assert list(size.many_parameters(parse("a.py", "def f(self, a, b, c, *, d, e, g): ..."))) == []
    seven = "def f(a, b, c, *, d, e, g, h): ..."
    assert [finding.key for finding in size.many_parameters(parse("a.py", seven))] == ["a.py::f"]
