"""The framer finds the same events however the stream is cut, and says exactly where they are."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.wire import sse
from tollhouse.wire.sse import Frame, Framer

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"data:  two",
        b": comment",
        b"event: e",
        b"id: 1",
        b"",
        b"",
        b"odd",
        b"data: \xc3\xa9",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, ENDS), max_size=14),
    st.sampled_from([b"", b"data: tail", b"\r"]),
).map(lambda parts: parts[0] + b"".join(line + end for line, end in parts[1]) + parts[2])


def framed(*pieces: bytes) -> list[Frame]:
    """The frames of a stream that arrives in these pieces."""
    framer = Framer()
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    return frames + framer.finish()


def by_the_book(stream: bytes) -> list[tuple[bytes, bytes]]:
    """Payload and type of each event, by the letter of the standard, for streams that end in whole events."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, data, event = [], [], b""
    for line in [*text.split(b"\n"), b""]:
        name, _, value = line.partition(b":")
        if not line:
            if data:
                events.append((b"\n".join(data), event))
            data, event = [], b""
        elif name == b"data":
            data.append(value[1:] if value[:1] == b" " else value)
        elif name == b"event":
            event = value[1:] if value[:1] == b" " else value
    return events


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_cut_gives_the_same_frames(stream: bytes, cuts: list[int]) -> None:
    """Given a stream, when it is cut anywhere, then its frames and their places are those of the whole."""
    places = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert framed(*pieces) == framed(stream)
    assert framed(*(stream[i : i + 1] for i in range(len(stream)))) == framed(stream)


def one_by_one(*pieces: bytes) -> tuple[list[tuple[bytes, bytes]], list[int]]:
    """Payload and type of each event, asking for a whole event first, and the boundary after each piece."""
    framer, events, boundaries = Framer(), [], []
    for piece in pieces:
        payload = framer.whole_event(piece)
        if payload is not None:
            events.append((payload, b""))
        else:
            events += [(frame.data, frame.event) for frame in framer.feed(piece)]
        boundaries.append(framer.boundary)
    return events + [(frame.data, frame.event) for frame in framer.finish()], boundaries


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12), by_event=st.booleans())
def test_asking_for_a_whole_event_first_changes_nothing(stream: bytes, cuts: list[int], by_event: bool) -> None:
    """Given any pieces, whole events among them, then events and boundaries are those of feeding alone."""
    places = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    if by_event:
        pieces = [part + b"\n\n" for part in stream.split(b"\n\n")]
    framer, boundaries = Framer(), []
    for piece in pieces:
        framer.feed(piece)
        boundaries.append(framer.boundary)
    assert one_by_one(*pieces) == ([(frame.data, frame.event) for frame in framed(*pieces)], boundaries)


def test_a_whole_event_is_taken_as_it_is() -> None:
    """Given an event of one line in mid-stream, then its payload is given at once; two, or half of one, are not."""
    framer = Framer()
    assert framer.whole_event(b"data: 0\n\n") is None
    framer.feed(b"data: 0\n\n")
    assert framer.whole_event(b"data: 1\n\n") == b"1"
    for other in (
        b"data: 1\n",
        b"data: 1\n\ndata: 2\n\n",
        b"event: e\ndata: 1\n\n",
        b"data: 1\r\n\n",
        b"\n\n",
        b"\n",
        b"",
    ):
        assert framer.whole_event(other) is None


@given(stream=STREAMS)
def test_frames_are_those_of_the_standard(stream: bytes) -> None:
    """Given any mix of line ends, when framed, then payloads and types are what the standard says."""
    assert [(frame.data, frame.event) for frame in framed(stream)] == by_the_book(stream)


@given(stream=STREAMS)
def test_ranges_are_exact_and_in_order(stream: bytes) -> None:
    """Given frames, when each range is framed by itself, then it holds that event and nothing else."""
    end = 0
    for frame in framed(stream):
        assert frame.start >= end
        end = frame.end
        assert [(frame.data, frame.event)] == [(f.data, f.event) for f in framed(stream[frame.start : end])]
    assert end <= len(stream)


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"data: a\n\n", [Frame(b"a", b"", 0, 9)]),
        (b"event: x\ndata: a\n\n", [Frame(b"a", b"x", 0, 18)]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [Frame(b"a", b"", 0, 11), Frame(b"b", b"", 11, 22)]),
        (b": ping\n\ndata: a\n\n", [Frame(b"a", b"", 8, 17)]),
        (b"data: a\ndata: b\n\n", [Frame(b"a\nb", b"", 0, 17)]),
        (b"\xef\xbb\xbfdata: a\n\n", [Frame(b"a", b"", 0, 12)]),
        (b"data: cut", [Frame(b"cut", b"", 0, 9)]),
        (b"data: a\n\n\ndata: b\n\n", [Frame(b"a", b"", 0, 9), Frame(b"b", b"", 10, 19)]),
        (b"event: only\n\n", []),
        (b"", []),
    ],
)
def test_known_streams(stream: bytes, frames: list[Frame]) -> None:
    """Given a stream of each kind, when framed at once, then payload, type and place are exact."""
    assert framed(stream) == frames


def test_the_fast_path_gives_what_the_slow_one_gives() -> None:
    """Given whole events in one chunk in mid-stream, when framed, then it is as if they came byte by byte."""
    lead = b": hello\n\n"
    stream = b'data: {"a":1}\n\nevent: e\ndata: 2\n\n: c\n\ndata: 3\ndata: 4\n\n'
    assert framed(lead, stream) == framed(*(bytes([byte]) for byte in lead + stream))


def test_a_long_line_in_small_pieces_costs_linear_time() -> None:
    """Given one event of many pieces, when it is four times as long, then it takes not sixteen times as long."""

    def seconds(pieces: int) -> float:
        framer, piece = Framer(), b"x" * 64
        framer.feed(b"data: ")
        begun = time.process_time()
        for _ in range(pieces):
            framer.feed(piece)
        assert len(framer.finish()[0].data) == 64 * pieces
        return time.process_time() - begun

    short = min(seconds(4_000) for _ in range(3))
    long = min(seconds(16_000) for _ in range(3))
    assert long < 10 * short + 0.01


def test_an_event_beyond_the_bound_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an event without end, when it is fed, then little is kept, it is counted, and the next one is found."""
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 1000)
    framer = Framer()
    tracemalloc.start()
    for _ in range(2000):
        assert framer.feed(b"data: " + b"x" * 994) == []
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 100_000
    assert [frame.data for frame in framer.feed(b"\n\ndata: next\n\n")] == [b"next"]
    assert framer.oversized == 1


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_noise_never_raises(noise: bytes) -> None:
    """Given any bytes, when framed, then it is without an exception and the places stay inside."""
    assert all(0 <= frame.start < frame.end <= len(noise) for frame in framed(noise))
