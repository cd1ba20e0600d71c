"""Compressed answers are inflated for observation, within a bound."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from tollhouse.wire.encoding import Inflater

TEXT = b"data: {}\n\n" * 500


def raw_deflate(data: bytes) -> bytes:
    """Deflate without a header, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(TEXT), zlib.compress(TEXT), raw_deflate(TEXT), gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])],
    ids=["gzip", "zlib", "raw deflate", "two members"],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_every_cut_inflates_to_the_same(packed: bytes, size: int) -> None:
    """Given gzip (one member or more), zlib or raw deflate, when it comes in pieces, then all of it is given."""
    inflater = Inflater(1_000_000)
    assert b"".join(inflater.feed(packed[i : i + size]) for i in range(0, len(packed), size)) == TEXT
    assert not inflater.stopped


def test_a_stream_is_seen_as_it_flows() -> None:
    """Given a stream flushed after each event, when a piece arrives, then its event is given at once."""
    packer = zlib.compressobj(wbits=31)
    inflater = Inflater(10_000)
    for number in range(5):
        event = b"data: %d\n\n" % number
        assert inflater.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event


def test_a_bomb_is_bounded() -> None:
    """Given a body that swells a thousandfold, when fed, then only the limit is given and memory stays small."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    inflater = Inflater(1_000_000)
    tracemalloc.start()
    given = inflater.feed(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(given) == 1_000_000
    assert inflater.stopped
    assert inflater.feed(bomb) == b""
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "junk",
    [b"not compressed at all", b"\xff" * 50, gzip.compress(TEXT)[:40] + b"\xff" * 400],
    ids=["plain text", "noise", "noise after a good head"],
)
def test_bad_data_stops_without_an_error(junk: bytes) -> None:
    """Given what is not compressed, or breaks, when fed, then nothing more is given and nothing is raised."""
    inflater = Inflater(1_000_000)
    inflater.feed(junk)
    inflater.feed(junk)
    assert inflater.stopped
    assert inflater.feed(gzip.compress(TEXT)) == b""
