"""What is kept of a usage object: numbers, nesting, a few words, within bounds that are exact."""

from __future__ import annotations

import pytest

from tollhouse.metering.raw import DEPTH_MAX, KEY_MAX, LEAVES_MAX, WORDS, numeric_leaves


def nested(depth: int) -> dict[str, object]:
    """A number so many objects deep."""
    return {"n": 1} if depth == 1 else {"n": nested(depth - 1)}


def test_the_depth_is_exact() -> None:
    """Given nesting at the limit and one deeper, when kept, then the number stays in the first and not in the other."""
    assert numeric_leaves(nested(DEPTH_MAX)) == nested(DEPTH_MAX)
    assert "1" not in str(numeric_leaves(nested(DEPTH_MAX + 1)))


def test_the_number_of_leaves_is_exact() -> None:
    """Given as many leaves as are kept and one more, when kept, then the first ones stay, in lists too."""
    fits = {f"k{n}": n for n in range(LEAVES_MAX)}
    assert numeric_leaves(fits) == fits
    assert numeric_leaves({**fits, "more": 1}) == fits
    listed = numeric_leaves({"rows": [{"a": 1} for _ in range(LEAVES_MAX + 9)]})
    assert listed == {"rows": [{"a": 1}] * LEAVES_MAX}


@pytest.mark.parametrize(
    ("key", "kept"),
    [("k" * KEY_MAX, True), ("k" * (KEY_MAX + 1), False), ("", False), ("a b", False), ("é", False), ("1h", False)],
)
def test_a_key_is_a_short_identifier(key: str, kept: bool) -> None:
    """Given keys at and beyond what a name is, when kept, then content cannot travel as a key."""
    assert numeric_leaves({key: 1}) == ({key: 1} if kept else {})
    assert numeric_leaves({key: {"a": 1}}) == ({key: {"a": 1}} if kept else {})


def test_only_listed_words_stay() -> None:
    """Given text, null, numbers and truth values, when kept, then text goes unless it is one of the few words."""
    usage = {"modality": "TEXT", "note": "TEXT and more", "nothing": None, "flag": False, "cost": 0.25}
    assert numeric_leaves(usage) == {"modality": "TEXT", "flag": False, "cost": 0.25}
    assert all(len(word) < 24 and " " not in word for word in WORDS)


def test_of_a_list_only_objects_stay() -> None:
    """Given a list of everything, when kept, then its objects are, each reduced."""
    assert numeric_leaves({"rows": [1, "TEXT", [2], {"ttl": "1h", "text": "x"}, None]}) == {"rows": [{"ttl": "1h"}]}
