"""The journal's bytes: what is written is read, whatever is cut off or broken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.ledger.journal_format import (
    FRAME_OVERHEAD_BYTES,
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    Kind,
    frame,
    header,
    journal_id,
    read_header,
    scan,
)

entry_lists = st.lists(
    st.tuples(st.sampled_from(Kind), st.binary(max_size=60).map(lambda tail: b'{"x":"' + tail.hex().encode() + b'"}')),
    max_size=12,
)


def framed(entries: list[tuple[Kind, bytes]]) -> tuple[bytes, list[int]]:
    """The bytes of some entries, and where each ends."""
    data, ends = b"", []
    for kind, payload in entries:
        data += frame(kind, payload)
        ends.append(len(data))
    return data, ends


@given(entry_lists)
def test_what_is_written_is_read(entries: list[tuple[Kind, bytes]]) -> None:
    """Kind, payload, order and ends come back."""
    data, ends = framed(entries)

    found = scan(data, final=True)

    assert [(Kind(entry.kind), entry.payload) for entry in found.entries] == entries
    assert [entry.end for entry in found.entries] == ends
    assert (found.end, found.torn_bytes, found.damaged_bytes) == (len(data), 0, 0)


@given(entry_lists)
@settings(max_examples=40)
def test_a_cut_anywhere_keeps_all_whole_entries(entries: list[tuple[Kind, bytes]]) -> None:
    """At every cut the whole entries before it are read, and the rest is a torn tail, not damage."""
    data, ends = framed(entries)
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)

        found = scan(data[:cut], final=True)

        assert len(found.entries) == whole
        assert found.damaged_spans == 0
        assert found.end == ([0, *ends])[whole]
        assert found.torn_bytes == cut - found.end


@given(entry_lists, st.data())
def test_blocks_read_one_after_another_give_the_same(entries: list[tuple[Kind, bytes]], data: st.DataObject) -> None:
    """A scan that is not final leaves an entry whose end is missing for the next one."""
    whole, _ = framed(entries)
    middle = data.draw(st.integers(0, len(whole)))

    first = scan(whole[:middle], final=False)
    second = scan(whole[first.end :], final=True)

    assert [entry.payload for entry in first.entries + second.entries] == [payload for _, payload in entries]
    assert first.damaged_spans == second.damaged_spans == 0


@given(st.integers(0, 4), st.data())
def test_damage_costs_one_entry_and_is_counted(broken: int, data: st.DataObject) -> None:
    """A flipped byte in the middle loses that entry alone; the span is counted to the byte."""
    entries = [(Kind.CLOSED, b'{"n":"%d"}' % number * 3) for number in range(6)]
    whole, ends = framed(entries)
    begin = ([0, *ends])[broken]
    at = data.draw(st.integers(begin, ends[broken] - 1))
    damaged = bytearray(whole)
    damaged[at] ^= data.draw(st.integers(1, 255))

    found = scan(bytes(damaged), final=True)

    assert [entry.start for entry in found.entries] == [start for start in [0, *ends[:-1]] if start != begin]
    assert (found.damaged_spans, found.damaged_bytes) == (1, ends[broken] - begin)


def test_a_hole_of_zeros_is_no_entry() -> None:
    """What a power cut leaves of a page is damage where entries follow, and a torn tail where none do."""
    good = frame(Kind.CLOSED, b'{"call_id":"a"}')

    assert scan(good + bytes(4096) + good, final=True).damaged_bytes == 4096
    assert scan(good + bytes(4096), final=True).torn_bytes == 4096


@given(st.binary(max_size=400))
def test_noise_is_never_read_as_entries(noise: bytes) -> None:
    """Any bytes can be scanned; what is not read is counted."""
    found = scan(noise, final=True)

    read = sum(entry.end - entry.start for entry in found.entries)
    assert read + found.damaged_bytes + found.torn_bytes == len(noise)


def test_a_segment_says_whose_it_is() -> None:
    """The header comes back; a flipped byte or a cut makes it unknown."""
    data = header(journal_id("w1"), 7)

    head = read_header(data)

    assert head is not None
    assert (head.number, head.journal_id, len(data)) == (7, journal_id("w1"), HEADER_BYTES)
    assert journal_id("w1") != journal_id("w2")
    for at in range(len(data)):
        assert read_header(data[:at]) is None
        assert read_header(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]) is None


def test_the_largest_entry_fits_and_one_more_byte_does_not() -> None:
    """The bound of a payload is exact."""
    assert len(frame(Kind.CLOSED, bytes(PAYLOAD_BYTES_MAX))) == PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES
    with pytest.raises(ValueError, match="at most"):
        frame(Kind.CLOSED, bytes(PAYLOAD_BYTES_MAX + 1))
