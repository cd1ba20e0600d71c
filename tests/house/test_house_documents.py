"""Documents lead somewhere, promise what is tested, and say what the code says."""

from __future__ import annotations

import pytest

from house import documents
from house.ratchet import demand, overlooked
from house.source import parse, project_files, python_sources, read
from pages import PAGES, tracked

PROMISES = "docs/promises.md"


def markdown() -> dict[str, str]:
    """Path and text of every Markdown file."""
    return {path: read(path) for path in project_files() if path.endswith(".md")}


def decisions() -> dict[str, str]:
    """Path and text of every decision record."""
    return {path: text for path, text in markdown().items() if path.startswith("docs/decisions/0")}


def test_links_lead_somewhere() -> None:
    """Every relative link of a document names a file that is there, and a heading that it has."""
    pages = markdown()
    found = [one for path, text in pages.items() for one in documents.dead_links(path, text, pages, project_files())]
    demand(found, overlooked("links"))


@pytest.mark.parametrize("path", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_that_are_named_exist(path: str) -> None:
    """What a newcomer is sent to is there."""
    demand(documents.missing_paths(path, read(path), project_files()), overlooked("paths"))


def test_make_has_the_targets_that_documents_name() -> None:
    """A command that is given can be run."""
    found = [
        one for path, text in markdown().items() for one in documents.missing_targets(path, text, read("Makefile"))
    ]
    demand(found, overlooked("targets"))


def test_every_promise_names_a_test_that_is_there() -> None:
    """A promise without a test is not made."""
    tests = {source.path: source.tree for source in python_sources() if source.path.startswith("tests/")}
    demand(documents.unshown_promises(PROMISES, read(PROMISES), tests), overlooked("promises"))


def test_every_dependency_has_its_decision() -> None:
    """And no record covers a dependency that is gone."""
    names = documents.dependency_names(read("pyproject.toml"))
    demand(documents.undecided(names, decisions()), overlooked("decisions"))


def test_decisions_are_a_page_and_complete() -> None:
    """At most a page; one on a dependency says who keeps it, what it drags in, and how we would leave."""
    found = [finding for path, text in decisions().items() for finding in documents.bad_decision(path, text)]
    demand(found, overlooked("decision_pages"))


def test_decisions_are_numbered_once() -> None:
    """Numbers run from 0001 without gaps."""
    numbers = [int(path.split("/")[-1][:4]) for path in sorted(decisions())]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", sorted(PAGES))
def test_a_page_that_is_made_from_the_code_is_current(path: str) -> None:
    """`make docs` would change nothing."""
    assert read(path) == PAGES[path]()


def test_every_recorded_field_is_described() -> None:
    """The table of fields and the record have the same names."""
    assert tracked.undescribed() == set()


def test_dead_links_are_found() -> None:
    """Control: a missing file, a missing heading; not an address, a folder, a live heading, or code."""
    pages = {"docs/a.md": "# Here `now`\n", "docs/b.md": ""}
    text = "[1](c.md) [2](a.md#there) [3](a.md#here-now) [4](https://example.com) [5](../docs)\n```\n[6](x.md)\n```\n"
    found = documents.dead_links("docs/b.md", text, pages, pages)
    assert [finding.key for finding in found] == ["docs/b.md::c.md", "docs/b.md::a.md#there"]


def test_missing_paths_are_found() -> None:
    """Control: files from the root and from the package, bare names anywhere; what is no path is left alone."""
    files = ["Makefile", "src/tollhouse/wire/call.py"]
    text = "`call.py` `NNNN_x.sql` `wire/call.py` `src/tollhouse/wire/` `wire/gone.py` `gone.md` `make` `a.b`"
    found = documents.missing_paths("C.md", text, files)
    assert [finding.key for finding in found] == ["C.md::wire/gone.py", "C.md::gone.md"]


def test_a_missing_target_is_found() -> None:
    """Control: one that is there, one that is not."""
    found = documents.missing_targets("C.md", "`make up` and `make down ARGS=x`", "up: setup\n\t@true\n")
    assert [finding.key for finding in found] == ["C.md::make down"]


def test_a_promise_without_its_test_is_found() -> None:
    """Control: no test named, a test that is not there, and one that is."""
    tests = {"tests/a/test_a.py": parse("tests/a/test_a.py", "def test_x(): ...").tree}
    text = (
        "| promise | shown by |\n|---|---|\n| one | nothing |\n| two | `tests/a/test_a.py::test_y` |\n"
        "| three | `tests/a/test_a.py::test_x` |\n"
    )
    found = list(documents.unshown_promises("p.md", text, tests))
    assert [finding.says for finding in found] == [
        "line 3: a promise without a test is not made",
        "line 4: no such test",
    ]


def test_an_undecided_dependency_is_found() -> None:
    """Control: one without a record, and a record of one that is gone."""
    found = documents.undecided(["rich", "typer"], {"d/0001.md": "# 0001 x\n\nDependencies: `rich`, `click`\n"})
    assert [finding.key for finding in found] == ["typer", "d/0001.md"]


def test_a_bad_decision_is_found() -> None:
    """Control: too long, without its number, without its parts."""
    assert len(list(documents.bad_decision("d.md", "# 0001 x\n" + "line\n" * 60))) == 1
    assert len(list(documents.bad_decision("d.md", "# A title\n"))) == 1
    assert len(list(documents.bad_decision("d.md", "# 0001 x\n\nDependency: `rich`\n\n## Why\n"))) == 2
