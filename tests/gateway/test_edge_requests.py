"""The client's side as a protocol: targets, requests in a row, what is no HTTP, and bodies as they come."""

from __future__ import annotations

import asyncio

import pytest

from clients import Client, answer, now_s, numbered
from tollhouse.gateway.request import ClientGoneError, HeaderNames
from tollhouse.settings import Limits
from walking import walked

pytestmark = pytest.mark.anyio

LIMITS = Limits(head_bytes_max=1000, head_fields_max=5, head_timeout_s=10.0)
HEAD = b"POST /v1/a HTTP/1.1\r\nhost: h\r\n"
EMPTY = b"content-length: 0\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
PLAIN_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def client() -> Client:
    """One that has just connected; what it asks is not answered."""
    return Client(LIMITS)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://h/p?q#f", "/p", b"q"),
        (b"http://h", "/", b""),
        (b"/p?q#f", "/p", b"q"),
        (b"/p%20q?a=1&b=%2F", "/p%20q", b"a=1&b=%2F"),
        (b"/p??", "/p", b"?"),
    ],
)
async def test_a_target_is_a_path_and_a_query(client: Client, target: bytes, path: str, query: bytes) -> None:
    """A whole URL, as proxies send it, is one as well; a fragment is nobody's."""
    client.send(b"GET " + target + b" HTTP/1.1\r\nhost: h\r\n\r\n")
    assert (client.request.path, client.request.query) == (path, query)
    assert client.request.target == path.encode() + (b"?" + query if query else b"")


async def test_a_request_has_a_new_id_and_its_fields_by_name(client: Client) -> None:
    """The id embeds the moment."""
    begun_s = now_s()
    client.send(b"PUT /v1/a?a=1 HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\ncontent-length: 1\r\n\r\n1" + numbered(1))
    answer(client.request)
    await asyncio.sleep(0)
    one, other = client.requests
    assert one.call_id != other.call_id
    assert int(one.call_id[:12], 16) == one.started_ms
    assert begun_s <= one.started_s <= now_s()
    assert (one.method, one.headers, one.length) == (b"PUT", [(b"host", b"h"), (b"a", b"1"), (b"a", b"2")], b"1")
    names = HeaderNames(dict(one.headers))
    assert "a" in names and "b" not in names


# Requests in a row


async def test_requests_in_a_row_are_served_one_after_the_other(client: Client) -> None:
    """Sent in one piece: each when the one before it was answered, in order, with its own body; unread meanwhile."""
    client.send(numbered(1) + numbered(2) + numbered(3))
    assert [request.target for request in client.requests] == [b"/1"]
    assert not client.transport.reading
    for number in (1, 2, 3):
        assert len(client.requests) == number
        request = client.request
        assert (request.target, request.take_body()) == (b"/%d" % number, b"%d" % number)
        # What was sent behind the last one that waited may be read on.
        assert client.transport.reading == (number == 3)
        request.edge.whole(200, b"x-number: %d\r\n" % number, b"")
        await asyncio.sleep(0)
    answered = [line for line in client.received.split(b"\r\n") if line.startswith(b"x-number")]
    assert answered == [b"x-number: 1", b"x-number: 2", b"x-number: 3"]
    assert not client.transport.closed


async def test_a_thousand_requests_in_a_row_are_no_depth() -> None:
    """Each answered as soon as it is served."""
    client = Client(Limits(), serve=answer)
    client.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n" * 1000)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert client.received == PLAIN_ANSWER * 1000


async def test_a_request_behind_another_does_not_undo_its_bounds(client: Client) -> None:
    """Pipelined in one piece: the first one's head stays too long, the second one's is not."""
    client.send(HEAD + b"a: b\r\n" * 6 + EMPTY + HEAD + EMPTY)
    answer(client.request)
    await asyncio.sleep(0)
    assert [request.head_too_long for request in client.requests] == [True, False]


async def test_a_request_whose_body_is_awaited_is_read_on(client: Client) -> None:
    """Served behind another, before all of it had come."""
    client.send(numbered(1) + HEAD + b"content-length: 4\r\n\r\nha")
    answer(client.request)
    await asyncio.sleep(0)
    assert client.transport.reading and client.request.take_body() is None
    client.send(b"lf")
    assert client.request.take_body() == b"half"


async def test_what_was_not_read_is_not_late(client: Client) -> None:
    """A head that we stopped reading in its middle has its time from when it is read on."""
    client.send(numbered(1) + numbered(2) + HEAD)
    client.edge.expire(now_s() + 1000)
    assert not client.transport.is_closing()
    for request in list(client.requests):
        answer(request)
    await asyncio.sleep(0)
    assert (client.request.target, client.transport.reading) == (b"/2", True)
    client.edge.expire(now_s() + 9)
    assert not client.transport.is_closing()
    client.edge.expire(now_s() + 11)
    answer(client.request)
    assert client.transport.closed


async def test_a_slow_head_behind_a_request_does_not_cost_it_its_answer(client: Client) -> None:
    """The request in order is answered, and then the connection ends."""
    client.send(numbered(1) + HEAD)
    client.edge.expire(now_s() + 1000)
    assert not client.transport.is_closing()
    client.send(b"\r\n")
    answer(client.request)
    await asyncio.sleep(0)
    assert (client.answers, len(client.requests), client.transport.closed) == (1, 1, True)


async def test_nothing_behind_the_last_request_is_served(client: Client) -> None:
    """The client said itself that it would be the last."""
    client.send(HEAD + b"connection: close\r\n" + EMPTY + numbered(2))
    answer(client.request)
    await asyncio.sleep(0)
    assert (len(client.requests), client.answers, client.transport.closed) == (1, 1, True)


# Bytes that are no HTTP


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/2.0\r\nhost: h\r\n\r\n"])
async def test_what_is_no_request_is_refused(client: Client, garbage: bytes) -> None:
    """Once, in the plainest JSON; HTTP/2 in a request line is none of ours either."""
    client.send(garbage)
    client.send(garbage)
    assert client.received.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n")
    assert (client.requests, client.answers, client.transport.closed) == ([], 1, True)


@pytest.mark.parametrize("together", [True, False])
async def test_garbage_behind_a_request_does_not_get_into_its_answer(client: Client, together: bool) -> None:
    """The answer is whole; then the connection closes."""
    garbage = b"\x00 no request\r\n\r\n"
    client.send(*((numbered(1) + garbage,) if together else (numbered(1), garbage)))
    assert (client.received, client.transport.is_closing()) == (b"", False)
    assert client.request.take_body() == b"1"
    answer(client.request)
    assert client.received == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    assert client.transport.closed


async def test_garbage_behind_a_request_lets_a_begun_answer_end(client: Client) -> None:
    """Chunk by chunk, to its last; then the connection closes."""
    client.send(numbered(1))
    client.edge.start(200, b"", None)
    client.edge.write(b"one")
    client.send(b"\x00 no request\r\n\r\n")
    client.edge.write(b"two")
    client.edge.end()
    body = client.received.partition(b"\r\n\r\n")[2]
    assert (client.answers, body) == (1, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert client.transport.closed and not client.transport.aborted


@pytest.mark.parametrize("together", [True, False])
async def test_garbage_inside_a_body_is_refused_once(client: Client, together: bool) -> None:
    """Whoever reads the body has nobody to answer any more."""
    begun, garbage = CHUNKED + b"2\r\n{}\r\n", b"zz\r\n"
    if together:
        client.send(begun + garbage)
        reading = asyncio.ensure_future(walked(client.request.read()))
    else:
        client.send(begun)
        assert await walked(client.request.read()) == b"{}"
        reading = asyncio.ensure_future(walked(client.request.read()))
        await asyncio.sleep(0)
        client.send(garbage)
    with pytest.raises(ClientGoneError):
        await reading
    answer(client.request)
    assert client.received.startswith(b"HTTP/1.1 400 ")
    assert (client.answers, client.transport.closed) == (1, True)


async def test_garbage_inside_a_body_cuts_an_answer_that_had_begun(client: Client) -> None:
    """A 400 in its middle would be read as a part of it."""
    client.send(CHUNKED + b"2\r\n{}\r\n")
    client.edge.start(200, b"", 100)
    client.send(b"zz\r\n")
    assert (client.answers, client.transport.aborted) == (1, True)


# Bodies


async def test_a_body_in_many_pieces_arrives_whole(client: Client) -> None:
    """Each `read` gives what has come since, at least a byte, and b'' at the end."""
    body = bytes(range(256)) * 4
    client.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[:10])
    read: list[bytes] = []

    async def read_all() -> None:
        while part := await client.request.read():
            read.append(part)

    reading = asyncio.ensure_future(walked(read_all()))
    await asyncio.sleep(0)
    assert read == [body[:10]]
    for start in range(10, len(body), 100):
        client.send(body[start : start + 100])
        assert b"".join(read) == body[: start + 100]
    await reading
    assert b"".join(read) == body and not client.request.sending


async def test_what_has_come_can_be_taken_only_when_it_is_all(client: Client) -> None:
    """Fed byte by byte, in chunks."""
    wire = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    client.send(CHUNKED)
    for value in wire:
        assert client.request.take_body() is None
        client.send(bytes((value,)))
    assert client.request.take_body() == b"abcdefg"


async def test_an_interrupt_reaches_whoever_reads(client: Client) -> None:
    """Who waits, at once; and who comes later. Once: what is raised leads back to the request."""
    client.send(HEAD + b"content-length: 9\r\n\r\n")
    reading = asyncio.ensure_future(walked(client.request.read()))
    await asyncio.sleep(0)
    problem = LookupError("too slow")
    client.request.interrupt(problem)
    with pytest.raises(LookupError) as raised:
        await reading
    assert raised.value is problem
    client.request.interrupt(problem)
    with pytest.raises(LookupError):
        await walked(client.request.read())


async def test_a_client_that_leaves_ends_the_reading(client: Client) -> None:
    """In the middle of its body: what came is not taken for all of it."""
    client.send(HEAD + b"content-length: 9\r\n\r\n")
    reading = asyncio.ensure_future(walked(client.request.read()))
    await asyncio.sleep(0)
    client.leave()
    with pytest.raises(ClientGoneError):
        await reading
    assert client.request.take_body() is None


async def test_the_body_of_a_client_that_has_left_is_not_taken(client: Client) -> None:
    """Though all of it came: there is nobody to answer."""
    client.send(numbered(1))
    client.leave()
    assert client.request.take_body() is None
    with pytest.raises(ClientGoneError):
        await walked(client.request.read())


EXPECTING = HEAD + b"content-length: 2\r\nexpect: 100-Continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_body_is_asked_for_once_and_when_it_is_read(client: Client) -> None:
    """Not before: a refusal spares the client its sending."""
    client.send(EXPECTING)
    assert client.received == b""
    reading = asyncio.ensure_future(walked(client.request.read()))
    await asyncio.sleep(0)
    assert client.received == CONTINUE
    client.send(b"{")
    assert await reading == b"{"
    reading = asyncio.ensure_future(walked(client.request.read()))
    await asyncio.sleep(0)
    client.send(b"}")
    assert (await reading, await walked(client.request.read())) == (b"}", b"")
    answer(client.request)
    assert client.received == CONTINUE + PLAIN_ANSWER


async def test_a_body_that_is_not_read_is_not_asked_for(client: Client) -> None:
    """The final answer comes instead."""
    client.send(EXPECTING)
    client.edge.whole(413, b"", b"")
    assert CONTINUE not in client.received and client.transport.closed


@pytest.mark.parametrize("sent", [EXPECTING + b"{}", EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0")])
async def test_a_body_that_comes_anyway_is_not_asked_for(client: Client, sent: bytes) -> None:
    """It came with the head, or its sender knows no 100 (RFC 9110 §10.1.1)."""
    client.send(sent)
    reading = asyncio.ensure_future(walked(client.request.read()))
    await asyncio.sleep(0)
    if not reading.done():
        client.send(b"{}")
    assert (await reading, client.received) == (b"{}", b"")
