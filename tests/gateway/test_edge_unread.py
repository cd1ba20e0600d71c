"""The client's side as a protocol: a client that asks and asks and does not read, and one that never lets go."""

from __future__ import annotations

import asyncio

import pytest

from clients import Client, now_s
from tollhouse.gateway.request import Request
from tollhouse.settings import Limits

pytestmark = pytest.mark.anyio

LIMITS = Limits(head_timeout_s=10.0, idle_timeout_s=30.0, keep_alive_timeout_s=60.0)
ASK = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n"
ANSWER = b"a" * 100


def answer(request: Request) -> None:
    """A whole one, which the client's socket takes no more of."""
    request.edge.whole(200, b"", ANSWER)
    request.edge.pause_writing()


async def turns() -> None:
    """Lets everything happen that is due."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("pieces", [[ASK * 50], [ASK] * 50], ids=["together", "one by one"])
async def test_the_next_answer_is_made_when_the_last_one_is_read(pieces: list[bytes]) -> None:
    """However many were asked for, one is kept; and nothing more is read from the client meanwhile."""
    client = Client(LIMITS, answer)
    client.send(pieces[0])
    for piece in pieces[1:3]:
        client.send(piece)
    await turns()
    assert client.answers == 1 and not client.transport.reading
    for read in (2, 3):
        client.edge.resume_writing()
        await turns()
        assert client.answers == read
    assert client.transport.reading == (len(pieces) > 1)


async def test_garbage_behind_an_unread_answer_does_not_get_before_the_next() -> None:
    """The request in front of it is answered in its turn, and then the connection ends."""
    client = Client(LIMITS, answer)
    client.send(ASK, ASK + b"garbage\r\n\r\n")
    await turns()
    assert client.answers == 1 and not client.transport.closed
    client.edge.resume_writing()
    await turns()
    assert client.received.count(b"HTTP/1.1 200 ") == 2 and client.answers == 2 and client.transport.closed


@pytest.mark.parametrize(
    "bad", [b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", ASK[:-2] + b"transfer-encoding: chunked\r\n\r\nx"]
)
async def test_what_is_no_request_of_ours_is_never_served_late(bad: bytes) -> None:
    """It came while the client did not read; it is refused, and what would have been served is not."""
    client = Client(LIMITS, answer)
    client.send(ASK, bad)
    client.edge.resume_writing()
    await turns()
    assert len(client.requests) == 1 and client.transport.closed
    assert client.received.count(b"HTTP/1.1 400 ") == 1


async def test_a_connection_that_was_closed_ends_though_its_client_does_not_read() -> None:
    """A few bytes that nobody fetches do not keep it, whether or not they are too many to be told of."""
    client = Client(LIMITS)
    client.send(b"GET /a HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
    client.request.edge.whole(200, b"", ANSWER)
    assert client.transport.closed
    client.edge.expire(now_s() + 29)
    assert not client.transport.aborted
    client.edge.expire(now_s() + 31)
    assert client.transport.aborted


async def test_an_idle_connection_ends_though_its_client_does_not_read() -> None:
    """First as a polite one, then for certain."""
    client = Client(LIMITS)
    client.send(ASK)
    client.request.edge.whole(200, b"", ANSWER)
    client.edge.expire(now_s() + 61)
    assert client.transport.closed and not client.transport.aborted
    client.edge.expire(now_s() + 62)
    assert client.transport.aborted
