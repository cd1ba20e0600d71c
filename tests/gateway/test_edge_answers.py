"""The client's side as a protocol: how answers are framed, who is closed when, and what is left of a call."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from clients import Client, answer, numbered
from tollhouse.gateway.request import Request
from tollhouse.settings import Limits
from walking import walked

pytestmark = pytest.mark.anyio

LIMITS = Limits(head_bytes_max=1000, head_fields_max=5, head_timeout_s=10.0)


@pytest.fixture
async def client() -> Client:
    """One that has just connected; what it asks is not answered."""
    return Client(LIMITS)


# Answers


async def test_a_whole_answer_leaves_in_one_write(client: Client) -> None:
    """Head and body together, and the connection goes on."""
    client.send(numbered(1))
    client.edge.whole(200, b"x-a: 1\r\n", b"ok")
    assert client.received == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok"
    assert (client.transport.writes, client.transport.closed) == (1, False)


async def test_an_answer_of_unknown_length_goes_in_chunks(client: Client) -> None:
    """One of a known length does not."""
    client.send(numbered(1))
    client.edge.start(200, b"", None)
    client.edge.write(b"a" * 17)
    client.edge.end()
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert client.received == head + b"11\r\n" + b"a" * 17 + b"\r\n0\r\n\r\n"
    client.send(numbered(2))
    client.edge.start(299, b"", 2)
    client.edge.write(b"ok")
    client.edge.end()
    assert client.received.endswith(b"HTTP/1.1 299 \r\ncontent-length: 2\r\n\r\nok")
    assert not client.transport.closed


@pytest.mark.parametrize("keep", [b"", b"connection: keep-alive\r\n"])
async def test_an_old_client_gets_no_chunks_and_is_closed(client: Client, keep: bytes) -> None:
    """The end of the connection is the end of its body."""
    client.send(b"GET / HTTP/1.0\r\nhost: h\r\n" + keep + b"\r\n")
    client.edge.start(200, b"", None)
    client.edge.write(b"one")
    client.edge.write(b"two")
    client.edge.end()
    assert client.received == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo"
    assert client.transport.closed


@pytest.mark.parametrize(
    ("method", "status", "length", "head"),
    [
        (b"HEAD", 200, 2, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        (b"HEAD", 200, None, b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET", 204, 0, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", 204, None, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", 304, 2, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n"),
        (b"GET", 304, None, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
async def test_some_answers_have_no_body(
    client: Client, method: bytes, status: int, length: int | None, head: bytes
) -> None:
    """Whatever is written: a byte of it would be taken for the next answer."""
    client.send(method + b" / HTTP/1.1\r\nhost: h\r\n\r\n")
    client.edge.start(status, b"", length)
    client.edge.write(b"ok")
    client.edge.end()
    assert (client.received, client.transport.closed) == (head, False)
    client.send(method + b" / HTTP/1.1\r\nhost: h\r\n\r\n")
    client.edge.whole(status, b"", b"ok" if length else b"")
    second = client.received.removeprefix(head)
    assert second.endswith(b"\r\n\r\n") and second.count(b"\r\n\r\n") == 1


async def test_nothing_is_written_to_who_has_left(client: Client) -> None:
    """Nor is it an error."""
    client.send(numbered(1))
    client.leave()
    client.edge.start(200, b"", None)
    client.edge.write(b"one")
    client.edge.end()
    client.edge.whole(200, b"", b"ok")
    assert client.received == b""


async def test_who_writes_waits_for_who_reads(client: Client) -> None:
    """And goes on when the client reads on, or has left."""
    client.send(numbered(1))
    await walked(client.edge.writable())
    for go_on in (client.edge.resume_writing, client.leave):
        client.edge.pause_writing()
        waiting = asyncio.ensure_future(walked(client.edge.writable()))
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on()
        await asyncio.wait_for(waiting, 1.0)


# The worker stops; what is left of a call


async def test_a_stopping_worker_closes_idle_connections_at_once(client: Client) -> None:
    """Also one that has served a request."""
    client.send(numbered(1))
    answer(client.request)
    new = Client(LIMITS)
    for idle in (client, new):
        idle.edge.shutdown()
        assert idle.transport.closed


async def test_a_stopping_worker_closes_busy_connections_after_their_answer(client: Client) -> None:
    """Which says so; what waits behind is not served."""
    client.send(numbered(1) + numbered(2))
    client.edge.shutdown()
    assert not client.transport.closed
    answer(client.request)
    await asyncio.sleep(0)
    assert b"\r\nconnection: close\r\n" in client.received
    assert (client.transport.closed, len(client.requests), client.answers) == (True, 1, 1)


async def test_a_stopping_worker_serves_the_one_whose_turn_has_come(client: Client) -> None:
    """Between two answers a connection is not idle while a request waits."""
    client.send(numbered(1) + numbered(2))
    answer(client.request)
    client.edge.shutdown()
    assert not client.transport.closed
    await asyncio.sleep(0)
    answer(client.request)
    assert client.request.target == b"/2"
    assert client.received.endswith(b"connection: close\r\n\r\nok") and client.transport.closed


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_connection_keeps_nothing_of_a_call_that_is_over(client: Client, goes_on: bool) -> None:
    """A key that is passed through lives for its call alone, in a field or in a query."""
    key = b"AIza-not-a-real-one"
    connection = b"" if goes_on else b"connection: close\r\n"
    fields = b"host: h\r\nx-goog-api-key: " + key + b"\r\n" + connection
    client.send(b"GET /v1?key=" + key + b" HTTP/1.1\r\n" + fields + b"\r\n")
    assert (b"x-goog-api-key", key) in client.request.headers
    assert any(holds(kept, key) for kept in vars(client.edge).values())
    answer(client.request)
    client.requests.clear()
    assert client.transport.closed != goes_on
    assert [name for name, kept in vars(client.edge).items() if holds(kept, key)] == []


def holds(kept: object, text: bytes) -> bool:
    """Whether the text can be read anywhere in a value of a connection."""
    if isinstance(kept, bytes | bytearray):
        return text in kept
    if isinstance(kept, Request):
        return holds(kept.target, text) or holds(kept.headers, text)
    return isinstance(kept, list | tuple | deque) and any(holds(inner, text) for inner in kept)
