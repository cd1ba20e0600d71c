"""Secrets are opened in few places, and exceptions are not lost."""

from __future__ import annotations

from house import trust
from house.ratchet import complaints, demand, overlooked
from house.source import parse, product_sources


def test_secrets_are_opened_where_they_must_be() -> None:
    """`.reveal()` is called in the files of the allow-list, and each of them needs to be on it."""
    found = [finding for source in product_sources() for finding in trust.reveals(source)]
    demand(found, trust.REVEALS)


def test_only_edges_catch_everything() -> None:
    """`except Exception` stands at the edges of the allow-list, and each of them needs to be on it."""
    found = [finding for source in product_sources() for finding in trust.wide_catches(source)]
    demand(found, trust.CATCHES)


def test_nothing_is_swallowed_in_silence() -> None:
    """A handler that does nothing says why."""
    found = [finding for source in product_sources() for finding in trust.swallowed(source)]
    demand(found, overlooked("swallowed"))


def test_an_opened_secret_is_found() -> None:
    """Control: a call of `.reveal()` in a file that may not."""
    found = list(trust.reveals(parse("src/tollhouse/wire/sse.py", "x = secret.reveal()")))
    assert len(complaints(found, {})) == 1


def test_a_wide_catch_is_found() -> None:
    """Control: named, bare, in a tuple, and suppressed; not one that tidies up and raises again."""
    wide = "def f():\n try: pass\n except {}: print()\n"
    for kind in ("Exception", "(ValueError, BaseException)", ""):
        found = list(trust.wide_catches(parse("a.py", wide.format(kind).replace("except :", "except:"))))
        assert [finding.key for finding in found] == ["a.py::f"]
    assert len(list(trust.wide_catches(parse("a.py", "with suppress(Exception): pass")))) == 1
    again = "def f():\n try: pass\n except BaseException:\n  tidy()\n  raise\n"
    assert list(trust.wide_catches(parse("a.py", again))) == []


def test_a_swallowed_exception_is_found() -> None:
    """Control: an empty handler is a finding, the same with its reason is none."""
    silent = "try:\n    act()\nexcept OSError:\n    pass\n"
    assert len(list(trust.swallowed(parse("a.py", silent)))) == 1
    assert list(trust.swallowed(parse("a.py", silent.replace("    pass", "    # Gone already.\n    pass")))) == []
    assert len(list(trust.swallowed(parse("a.py", "with suppress(OSError):\n    act()\n")))) == 1
