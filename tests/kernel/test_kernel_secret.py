"""A secret gives itself away to `reveal()` alone."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import msgspec
import pytest

from tollhouse.kernel.secret import Secret

CANARY = "canary-5f0d"


def test_reveal_is_the_way_out() -> None:
    """Text and bytes come out as bytes."""
    assert Secret(CANARY).reveal() == Secret(CANARY.encode()).reveal() == CANARY.encode()


def test_nothing_printed_shows_it() -> None:
    """str, repr, formats, containers, f-strings."""
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {{'a': secret}} {secret:>30}"
    assert CANARY not in shown
    assert str(secret) == "Secret(…)"


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode, hash, vars])
def test_it_is_not_copied_or_written(act: object) -> None:
    """Pickle, copy, JSON, hash and its attributes all fail, without showing it."""
    with pytest.raises(TypeError) as failed:
        act(Secret(CANARY))  # type: ignore[operator]
    assert CANARY not in "".join(traceback.format_exception(failed.value))


def test_it_is_not_compared_with_equals() -> None:
    """Equality would leak its length of agreement; it fails, whichever side it is on."""
    with pytest.raises(TypeError, match="compare_digest"):
        assert Secret(CANARY) == CANARY
    with pytest.raises(TypeError, match="compare_digest"):
        assert Secret(CANARY) != Secret(CANARY)


def test_an_empty_one_is_false() -> None:
    """So that its absence can be asked for without opening it."""
    assert not Secret(b"")
    assert Secret(CANARY)
