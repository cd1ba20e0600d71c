"""The ratchet turns one way."""

from __future__ import annotations

from house.ratchet import complaints
from house.source import Finding


def test_what_is_not_listed_is_a_complaint() -> None:
    """A new finding fails; a listed one is overlooked."""
    found = [Finding(key="a.py", says="long"), Finding(key="b.py", says="long")]
    assert complaints(found, {"a.py": "a table"}) == ["b.py: long"]


def test_what_is_no_longer_needed_is_a_complaint() -> None:
    """What has been mended must leave the list."""
    assert complaints([], {"a.py": "a table"}) == ["a.py: no longer needed in tests/house/ratchet.toml, remove it"]


def test_an_entry_without_a_reason_is_a_complaint() -> None:
    """A list without reasons is a list of excuses."""
    found = [Finding(key="a.py", says="long")]
    assert complaints(found, {"a.py": " "}) == ["a.py: the ratchet gives no reason"]
