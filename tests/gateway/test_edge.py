"""The client's side as a protocol: bounds of heads, deadlines of heads and of clients that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tollhouse.gateway.edge import TOO_LONG_KEY, EdgeProtocol, listen
from tollhouse.gateway.respond import family_of, refuse
from tollhouse.kernel.ids import call_id
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.settings import Limits
from tollhouse.wire.call import Family

pytestmark = pytest.mark.anyio

LIMITS = Limits(head_bytes_max=1000, head_fields_max=5, head_timeout_s=10.0, idle_timeout_s=30.0)
HEAD = b"POST /v1/a HTTP/1.1\r\nhost: h\r\n"


class FakeTransport(asyncio.Transport):
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def asleep(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """An application that answers nothing until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
async def edge() -> EdgeProtocol:
    """A client's connection that has just been made."""
    factory, _ = listen(asleep, LIMITS)
    edge = factory()
    edge.connection_made(FakeTransport())
    return edge


def transport_of(edge: EdgeProtocol) -> FakeTransport:
    """Its other end."""
    assert isinstance(edge.transport, FakeTransport)
    return edge.transport


@pytest.mark.parametrize(
    ("fields", "too_long"),
    [
        (b"a: b\r\n" * 4, False),
        (b"a: b\r\n" * 5, True),
        (b"a: " + b"b" * 900 + b"\r\n", False),
        (b"a: " + b"b" * 990 + b"\r\n", True),
    ],
)
async def test_a_head_has_so_many_bytes_and_fields(edge: EdgeProtocol, fields: bytes, too_long: bool) -> None:
    """Beyond that the corridor is told; `host` is one of the fields."""
    edge.data_received(HEAD + fields + b"\r\n")
    assert edge.scope[TOO_LONG_KEY] == too_long
    edge.connection_lost(None)


async def test_a_head_that_goes_on_and_on_is_answered_at_once(edge: EdgeProtocol) -> None:
    """Without waiting for its end: a bound's worth behind the first piece, nothing more is read."""
    edge.data_received(HEAD + b"a: b")
    edge.data_received(b"b" * 600)
    assert not transport_of(edge).closed
    edge.data_received(b"b" * 600)
    assert transport_of(edge).written.startswith(b"HTTP/1.1 400 ") and transport_of(edge).closed
    edge.connection_lost(None)


async def test_the_next_head_is_measured_anew(edge: EdgeProtocol) -> None:
    """A long head before it does not count."""
    edge.data_received(HEAD + b"a: b\r\n" * 5 + b"\r\n")
    edge.data_received(HEAD + b"\r\n")
    assert not edge.scope[TOO_LONG_KEY]
    edge.connection_lost(None)


async def test_a_slow_head_is_cut_off(edge: EdgeProtocol) -> None:
    """From the connection's first moment, whether anything came or not; not any more once the head is there."""
    now_s = asyncio.get_running_loop().time()
    edge.expire(now_s + 9)
    assert not transport_of(edge).aborted
    edge.data_received(HEAD)
    edge.expire(now_s + 11)
    assert transport_of(edge).aborted
    other, _ = listen(asleep, LIMITS)
    waiting = other()
    waiting.connection_made(FakeTransport())
    waiting.data_received(HEAD + b"\r\n")
    waiting.expire(now_s + 1000)
    assert not transport_of(waiting).aborted
    waiting.connection_lost(None)


async def test_a_client_that_does_not_read_is_cut_off(edge: EdgeProtocol) -> None:
    """Also when its answer is complete: nothing is kept for it for ever."""
    edge.data_received(HEAD + b"\r\n")
    now_s = asyncio.get_running_loop().time()
    edge.pause_writing()
    edge.expire(now_s + 29)
    edge.resume_writing()
    edge.expire(now_s + 31)
    assert not transport_of(edge).aborted
    edge.pause_writing()
    edge.expire(now_s + 32)
    assert transport_of(edge).aborted
    edge.connection_lost(None)


async def test_whoever_waits_for_the_client_is_told_when_it_leaves(edge: EdgeProtocol) -> None:
    """At once, and once."""
    left: list[bool] = []
    edge.on_gone = lambda: left.append(edge.gone)
    edge.data_received(HEAD + b"content-length: 5\r\n\r\nab")
    assert edge.sending and not edge.gone
    edge.connection_lost(None)
    assert left == [True]


@pytest.mark.parametrize("close", [False, True])
async def test_a_refusal_says_whether_the_connection_goes_on(edge: EdgeProtocol, close: bool) -> None:
    """With the id where each SDK looks for it, and when to come back."""
    edge.data_received(HEAD + b"\r\n")
    refusal = Refusal(code=RefusalCode.UNAVAILABLE, message="Not now.", retry_after_s=5)
    refuse(edge, refusal, Family.ANTHROPIC, call_id(1_700_000_000_000, bytes(10)), close=close)
    head, _, body = transport_of(edge).written.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    identity = b"req_" + call_id(1_700_000_000_000, bytes(10)).encode()
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert {b"x-tollhouse-request-id: " + identity, b"request-id: " + identity} <= set(lines)
    assert {b"x-should-retry: true", b"retry-after: 5", b"content-length: %d" % len(body)} <= set(lines)
    assert (b"connection: close" in lines, transport_of(edge).closed) == (close, close)
    assert b'"code":"unavailable"' in body


@pytest.mark.parametrize(
    ("path", "names", "family"),
    [
        ("/messages", (), Family.ANTHROPIC),
        ("/nowhere", ("anthropic-version",), Family.ANTHROPIC),
        ("/nowhere", ("x-goog-api-key",), Family.GEMINI),
        ("/v1beta/x", (), Family.GEMINI),
        ("/a:streamGenerateContent", (), Family.GEMINI),
        ("/model/a/converse", (), Family.BEDROCK),
        ("/nowhere", (), Family.OPENAI),
    ],
)
async def test_even_a_path_that_is_none_of_ours_has_a_family(path: str, names: tuple[str, ...], family: Family) -> None:
    """So that its sender can read the refusal."""
    assert family_of(path, names) is family


UPGRADE = b"connection: upgrade\r\nUpgrade: h2c\r\ncontent-length: 2\r\n\r\n"


async def test_an_offer_to_switch_protocols_is_ignored(edge: EdgeProtocol) -> None:
    """As RFC 9110 allows: the request goes on as if it had not been made, its body included."""
    edge.data_received(HEAD + UPGRADE)
    edge.data_received(b"{}")
    assert (edge.take_body(), transport_of(edge).written) == (b"{}", b"")
    assert b"upgrade" not in [name for name, _ in edge.headers]
    edge.connection_lost(None)


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + UPGRADE[:25], UPGRADE[25:] + b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n"),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\nGET /healthz HTTP/1.1\r\nhost: h\r\n\r\n",),
    ],
    ids=["an offer cut in two", "CONNECT"],
)
async def test_nothing_is_smuggled_behind_a_switch_of_protocols(edge: EdgeProtocol, pieces: tuple[bytes, ...]) -> None:
    """Where the offer cannot be ignored the connection ends: what follows is never taken for a request."""
    for piece in pieces:
        edge.data_received(piece)
    await asyncio.sleep(0)
    assert transport_of(edge).written.count(b"HTTP/1.1 ") == 1 and transport_of(edge).closed
    assert edge.cycle is None or edge.gone
    edge.connection_lost(None)


async def test_a_request_behind_another_does_not_undo_its_bounds(edge: EdgeProtocol) -> None:
    """Pipelined in one piece: the first one's head stays too long."""
    edge.data_received(HEAD + b"a: b\r\n" * 6 + b"content-length: 0\r\n\r\n" + HEAD + b"content-length: 0\r\n\r\n")
    assert (edge.active.scope[TOO_LONG_KEY], edge.scope[TOO_LONG_KEY]) == (True, False)
    edge.connection_lost(None)


async def test_trailers_are_no_fields_of_the_head(edge: EdgeProtocol) -> None:
    """Dropped, and bounded: a head has said all that a request may say."""
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    edge.data_received(chunked + b"x-tollhouse-team: late\r\n\r\n")
    assert [name for name, _ in edge.headers] == [b"host", b"transfer-encoding"]
    edge.data_received(chunked)
    edge.data_received(b"x: " + b"y" * 1200 + b"\r\n\r\n")
    assert transport_of(edge).closed
    edge.connection_lost(None)


async def test_a_blank_line_does_not_keep_an_idle_connection(edge: EdgeProtocol) -> None:
    """Only the beginning of a request ends the wait for one."""
    edge.timeout_keep_alive_task = edge.loop.call_later(60, lambda: None)
    edge.data_received(b"\r\n")
    assert edge.timeout_keep_alive_task is not None
    edge.data_received(HEAD)
    assert edge.timeout_keep_alive_task is None
    edge.connection_lost(None)


async def test_too_many_connections_are_told_so() -> None:
    """The one above the bound is answered with 503 and closed; the others go on."""
    factory, _ = listen(asleep, LIMITS, connections_max=1)
    first, second = factory(), factory()
    first.connection_made(FakeTransport())
    second.connection_made(FakeTransport())
    assert transport_of(second).written.startswith(b"HTTP/1.1 503 ") and transport_of(second).closed
    assert not transport_of(first).closed
