"""Elements of an array are found as they arrive, whatever the cuts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.wire import jsonarray
from tollhouse.wire.jsonarray import ArraySplitter

ELEMENTS = st.lists(
    st.dictionaries(
        st.text('a"\\[{]}é', max_size=3), st.text('a"\\[{]},', max_size=5) | st.lists(st.integers()), max_size=3
    ),
    max_size=4,
)


@given(elements=ELEMENTS, indent=st.sampled_from([None, 1]), cuts=st.lists(st.integers(0, 150), max_size=8))
def test_any_cut_gives_the_same_elements(elements: list[object], indent: int | None, cuts: list[int]) -> None:
    """Given an array of objects, when it is cut anywhere, then each element comes out as it went in."""
    data = json.dumps(elements, indent=indent).encode()
    places = sorted({min(cut, len(data)) for cut in cuts})
    splitter = ArraySplitter()
    found = [
        json.loads(element)
        for a, b in zip([0, *places], [*places, len(data)], strict=True)
        for element in splitter.feed(data[a:b])
    ]
    assert found == elements
    bytewise = ArraySplitter()
    assert [json.loads(one) for i in range(len(data)) for one in bytewise.feed(data[i : i + 1])] == elements


def test_an_element_comes_with_its_last_byte() -> None:
    """Given an array that is not complete, when an element is, then it is given at once."""
    splitter = ArraySplitter()
    assert splitter.feed(b'[{"a":1') == []
    assert splitter.feed(b"}") == [b'{"a":1}']
    assert splitter.feed(b'\n,\r\n{"b":2}]') == [b'{"b":2}']


def test_an_element_beyond_the_bound_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an element that is too long, when fed, then it is counted, not kept, and the next one is found."""
    monkeypatch.setattr(jsonarray, "ELEMENT_BYTES_MAX", 50)
    splitter = ArraySplitter()
    assert splitter.feed(b'[{"a":"' + b"x" * 40) == []
    assert splitter.feed(b"x" * 40 + b'"},{"b":2}') == [b'{"b":2}']
    assert splitter.oversized == 1


@given(st.binary(max_size=60))
def test_noise_never_raises(noise: bytes) -> None:
    """Given any bytes, when split, then what comes out was in them."""
    assert all(element in noise for element in ArraySplitter().feed(noise))
