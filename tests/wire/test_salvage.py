"""What can be had of JSON that fits no type: an object, or nothing."""

from __future__ import annotations

import pytest

from tollhouse.wire.dialects.salvage import loose_object


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[1]",
        b'"x"',
        b"7",
        b"{",
        b'{"a":1}}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_no_object_is_none(payload: bytes) -> None:
    """Given other JSON, broken JSON, foreign bytes or endless nesting, when looked at, then there is nothing."""
    assert loose_object(payload) is None


def test_an_object_comes_with_all_its_members() -> None:
    """Given an object of any shape, when looked at, then its members are there, of a key twice the last."""
    assert loose_object(b'{"a":{"b":[1,null]},"c":1,"c":2.5}') == {"a": {"b": [1, None]}, "c": 2.5}
    assert loose_object(b"{}") == {}
