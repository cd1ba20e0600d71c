"""Reading the top level of a JSON object: what is accepted, what is refused, where values stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.wire.members import DEPTH_MAX, MalformedError, is_deeper, read_members, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text('ab"\\{}[],:é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\', max_size=3), inner, max_size=3),
    max_leaves=6,
)
PAIRS = st.lists(st.tuples(st.text('ab"\\:é', max_size=3), VALUES), max_size=5)
SPACES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


def written(pairs: list[tuple[str, object]], spaces: tuple[str, str], ascii_only: bool) -> bytes:
    """The pairs as one JSON object, keys that repeat included."""
    between, after = spaces
    inner = between.join(
        json.dumps(key, ensure_ascii=ascii_only)
        + after
        + json.dumps(value, ensure_ascii=ascii_only, separators=(between, after))
        for key, value in pairs
    )
    return ("{" + inner + "}").encode()


@given(pairs=PAIRS, spaces=SPACES, ascii_only=st.booleans())
def test_duplicate_keys_are_found_exactly(
    pairs: list[tuple[str, object]], spaces: tuple[str, str], ascii_only: bool
) -> None:
    """Given any object, when read, then it is refused just if the standard library sees a key twice."""
    body = written(pairs, spaces, ascii_only)
    tops: list[list[str]] = []
    json.loads(body, object_pairs_hook=lambda found: tops.append([key for key, _ in found]))
    if len(set(tops[-1])) < len(tops[-1]):
        with pytest.raises(MalformedError, match="same key twice"):
            read_object(body)
    else:
        members = read_members(body)
        assert {key: json.loads(member.value) for key, member in members.items()} == json.loads(body)
        assert all(body[member.start : member.end] == member.value for member in members.values())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":12,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":{"b":1},"b":2,"a":{"b":1}}',
        b'{"\\u0061":1,"a":2}',
        b'{"a":{"x":1,"m":2},"m":3,"a":1}',
        b'{ "a" : [1, "a"] , "a" : [1, "a"] }',
        b'{"aaaa": 1, "b": 2, "b": 3}',
    ],
)
def test_a_key_that_stands_twice_is_refused(body: bytes) -> None:
    """Given one key twice, however written, when read, then it is refused."""
    with pytest.raises(MalformedError, match="same key twice"):
        read_object(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b'{"a":1', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":[1,Infinity]}', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":' + b"[" * 100_000, "deep|not valid"),
        (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64"),
        (b'{"a":' + b'{"b":[' * 40 + b"]}" * 40 + b"}", "deeper than 64"),
    ],
)
def test_what_is_no_acceptable_object_is_refused(body: bytes, reason: str) -> None:
    """Given a body of each unacceptable kind, when read, then it is refused with the reason, without its words."""
    with pytest.raises(MalformedError, match=reason):
        read_object(body)


def test_the_depth_limit_is_exact() -> None:
    """Given nesting of just the limit and one more, when read, then the first passes and the second does not."""
    at_limit = b'{"a":' + b"[" * (DEPTH_MAX - 1) + b"]" * (DEPTH_MAX - 1) + b"}"
    assert "a" in read_object(at_limit)
    with pytest.raises(MalformedError, match="deeper"):
        read_object(at_limit.replace(b"[]", b"[[]]"))


@given(value=VALUES, wraps=st.integers(0, 12), limit=st.integers(1, 12))
def test_depth_ignores_what_stands_in_strings(value: object, wraps: int, limit: int) -> None:
    """Given brackets, quotes and backslashes in strings, when measured, then only true nesting counts."""

    def depth(item: object) -> int:
        if isinstance(item, dict):
            return 1 + max((depth(inner) for inner in item.values()), default=0)
        return 1 + max((depth(inner) for inner in item), default=0) if isinstance(item, list) else 0

    for _ in range(wraps):
        value = [value]
    assert is_deeper(json.dumps({"k": value}).encode(), limit) == (depth({"k": value}) > limit)


def test_millions_of_members_are_refused_before_they_are_built() -> None:
    """A body of the largest size that is nothing but keys costs a look, not seconds."""
    body = b'{"a":0' + b"".join(b',"k%d":0' % number for number in range(110_000)) + b"}"
    with pytest.raises(MalformedError, match="keys and strings"):
        read_object(body)
