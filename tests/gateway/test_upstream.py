"""The provider's side as a protocol: bytes are fed, and what comes of them is looked at. No sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tollhouse.gateway.dialing import Dialer
from tollhouse.gateway.upstream import Connection, ConnectionPool, UpstreamRequest
from tollhouse.kernel.errors import ProviderCutError, ProviderError, ProviderTimeoutError, ProviderUnreachableError
from tollhouse.routing.model import Provider
from walking import walked

pytestmark = pytest.mark.anyio

PROVIDER = Provider(name="p", kind="openai", scheme="http", host="127.0.0.1", port=80, allow_private=True)
BUFFER_BYTES_MAX = 100
REQUEST_HEAD = b"POST /v1?a=%20 HTTP/1.1\r\nhost: p\r\nx-a: 1\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class FakeTransport(asyncio.Transport):
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.reading = True
        self.unsent = 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Bench:
    """One connection with its transport and its pool."""

    def __init__(self) -> None:
        self.pool = ConnectionPool(
            Dialer(connect_timeout_s=1.0), idle_max=2, idle_timeout_s=10.0, buffer_bytes_max=BUFFER_BYTES_MAX
        )
        self.connection, self.transport = self.connected()

    def connected(self) -> tuple[Connection, FakeTransport]:
        """Another one."""
        connection, transport = Connection(self.pool, PROVIDER, BUFFER_BYTES_MAX), FakeTransport()
        connection.connection_made(transport)
        return connection, transport

    async def exchange(self, *pieces: bytes, bodiless: bool = False, body: bytes = b"{}") -> Connection:
        """Sends a request, feeds the pieces, and waits for the head."""
        request = UpstreamRequest(head=REQUEST_HEAD, body=body, bodiless=bodiless)
        waiting = asyncio.ensure_future(walked(self.connection.exchange(request)))
        await asyncio.sleep(0)
        for piece in pieces:
            self.connection.data_received(piece)
        return await waiting


@pytest.fixture
async def bench() -> Bench:
    """A fresh connection."""
    return Bench()


@pytest.mark.parametrize("size", [0, 2, 300_000])
async def test_the_request_goes_out_as_given(bench: Bench, size: int) -> None:
    """Head and body untouched, in one write or in two."""
    body = b"a" * size
    await bench.exchange(HEAD + b"content-length: 0\r\n\r\n", body=body)
    assert bench.transport.written == REQUEST_HEAD + body
    assert bench.connection.usable


async def test_an_answer_fed_byte_by_byte_is_the_same(bench: Bench) -> None:
    """Chunk framing is taken off, names are lower-case, the end is b''."""
    wire = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    answer = await bench.exchange(*(bytes((value,)) for value in wire))
    assert (answer.status, answer.headers[0]) == (200, (b"content-type", b"application/json"))
    assert (await answer.read(), await answer.read()) == (b"abcdefg", b"")


async def test_interim_answers_are_dropped(bench: Bench) -> None:
    """100 and 103 come before the answer, with fields that are not the answer's."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    answer = await bench.exchange(interim, HEAD + b"content-length: 2\r\n\r\nok")
    assert (answer.status, [name for name, _ in answer.headers]) == (200, [b"content-type", b"content-length"])
    assert await answer.read() == b"ok"


async def test_a_connection_is_used_again_only_after_a_proper_end(bench: Bench) -> None:
    """Released before the end, or by a provider that closes, it is closed; else the next call gets it."""
    answer = await bench.exchange(HEAD + b"content-length: 2\r\n\r\nok")
    await answer.read()
    answer.release()
    assert bench.pool.take(PROVIDER) is answer and not bench.transport.aborted
    assert bench.pool.take(PROVIDER) is None
    await bench.exchange(HEAD + b"content-length: 2\r\n\r\no")
    bench.connection.release()
    assert bench.transport.aborted


@pytest.mark.parametrize("ending", [b"connection: close\r\ncontent-length: 0\r\n\r\n", b"\r\n"])
async def test_a_provider_that_will_close_is_not_asked_again(bench: Bench, ending: bytes) -> None:
    """Said by `Connection`, or by an answer without a length."""
    await bench.exchange(HEAD + ending)
    bench.connection.release()
    assert bench.transport.aborted


async def test_a_body_without_length_ends_with_its_connection(bench: Bench) -> None:
    """RFC 9112 §6.3: an orderly close is its end, a broken connection is not."""
    answer = await bench.exchange(HEAD + b"\r\nall of it")
    bench.connection.connection_lost(None)
    assert (await answer.read(), await answer.read()) == (b"all of it", b"")
    broken = Bench()
    answer = await broken.exchange(HEAD + b"\r\nsome of it")
    broken.connection.connection_lost(ConnectionResetError())
    assert await answer.read() == b"some of it"
    with pytest.raises(ProviderCutError):
        await answer.read()


@pytest.mark.parametrize(
    "framing", [b"content-length: 9\r\n\r\nhalf", b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
async def test_a_body_that_ends_early_raises(bench: Bench, framing: bytes) -> None:
    """What came is given first; then the cut is told, never a quiet end."""
    answer = await bench.exchange(HEAD + framing)
    assert not bench.connection.eof_received()
    assert await answer.read() == b"half"
    with pytest.raises(ProviderCutError):
        await answer.read()


@pytest.mark.parametrize(
    "break_off",
    [
        lambda connection: connection.connection_lost(None),
        lambda connection: connection.eof_received(),
        lambda connection: connection.data_received(b"SSH-2.0-OpenSSH_9.9\r\n"),
        lambda connection: connection.data_received(HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n"),
        lambda connection: connection.data_received(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
    ],
)
async def test_no_answer_is_unreachable(bench: Bench, break_off: Callable[[Connection], object]) -> None:
    """Closed, not HTTP, a head without end, another protocol: all before an answer began."""
    waiting = asyncio.ensure_future(bench.exchange())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    break_off(bench.connection)
    with pytest.raises(ProviderUnreachableError):
        await waiting
    assert bench.transport.written.startswith(REQUEST_HEAD)


async def test_garbage_in_the_framing_is_a_cut(bench: Bench) -> None:
    """The answer had begun."""
    answer = await bench.exchange(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"zzz\r\n")
    with pytest.raises(ProviderCutError):
        await answer.read()
    assert bench.transport.aborted


async def test_expiry_ends_a_waiting_read_with_its_error(bench: Bench) -> None:
    """The sweeper's one way in."""
    answer = await bench.exchange(HEAD + b"content-length: 9\r\n\r\n")
    reading = asyncio.ensure_future(walked(answer.read()))
    await asyncio.sleep(0)
    late: ProviderError = ProviderTimeoutError("late")
    answer.expire(late)
    with pytest.raises(ProviderTimeoutError) as raised:
        await reading
    assert raised.value is late and bench.transport.aborted


async def test_expiry_after_the_end_changes_nothing(bench: Bench) -> None:
    """All had come; it was only not read yet."""
    answer = await bench.exchange(HEAD + b"content-length: 2\r\n\r\nok")
    answer.expire(ProviderTimeoutError("late"))
    assert (await answer.read(), await answer.read()) == (b"ok", b"")


async def test_more_than_the_buffer_is_not_read_until_it_was_taken(bench: Bench) -> None:
    """Back-pressure: the socket is paused beyond the bound, and read on after."""
    answer = await bench.exchange(HEAD + b"content-length: 1000\r\n\r\n" + b"a" * BUFFER_BYTES_MAX)
    assert bench.transport.reading
    bench.connection.data_received(b"a")
    assert not bench.transport.reading
    assert len(await answer.read()) == BUFFER_BYTES_MAX + 1
    assert bench.transport.reading


async def test_a_whole_body_leaves_the_socket_readable(bench: Bench) -> None:
    """A connection that went back to the pool while paused would let the next call starve."""
    size = BUFFER_BYTES_MAX * 2
    answer = await bench.exchange(HEAD + b"content-length: %d\r\n\r\n" % size + b"a" * (size - 1))
    assert answer.take_whole() is None
    bench.connection.data_received(b"a")
    assert answer.take_whole() == b"a" * size
    assert bench.transport.reading


async def test_an_answer_to_head_has_no_body(bench: Bench) -> None:
    """Whatever length it names; and nobody can tell where a next answer would begin."""
    answer = await bench.exchange(HEAD + b"content-length: 900\r\n\r\n", bodiless=True)
    assert await answer.read() == b""
    answer.release()
    assert bench.transport.aborted


async def test_bytes_that_nobody_asked_for_end_a_kept_connection(bench: Bench) -> None:
    """They would be taken for the next answer."""
    answer = await bench.exchange(HEAD + b"content-length: 0\r\n\r\n")
    answer.release()
    bench.connection.data_received(HEAD + b"content-length: 5\r\n\r\nfalse")
    assert bench.transport.aborted and not bench.connection.usable


async def test_idle_connections_are_bounded_and_age_out(bench: Bench) -> None:
    """The oldest goes when there are too many, and all that have waited too long."""
    made = [bench.connected() for _ in range(3)]
    for connection, _ in made:
        bench.pool.give_back(connection)
    assert [transport.aborted for _, transport in made] == [True, False, False]
    now_s = asyncio.get_running_loop().time()
    bench.pool.sweep(now_s + 9)
    assert not made[1][1].aborted
    bench.pool.sweep(now_s + 11)
    assert all(transport.aborted for _, transport in made)


async def test_a_second_answer_is_nobodys(bench: Bench) -> None:
    """Two answers to one request: the first stands as it was, the connection is closed, nothing is mixed."""
    first = HEAD + b"content-length: 5\r\n\r\nfirst"
    answer = await bench.exchange(first + b"HTTP/1.1 418 No\r\ncontent-length: 6\r\n\r\nsecond")
    assert (answer.status, answer.take_whole()) == (200, b"first")
    assert [name for name, _ in answer.headers] == [b"content-type", b"content-length"]
    answer.release()
    assert bench.transport.aborted


@pytest.mark.parametrize("status", [b"000", b"099", b"101"])
async def test_a_status_that_is_no_answer_is_unreachable(bench: Bench, status: bytes) -> None:
    """It is not waited behind as if it were an interim answer."""
    with pytest.raises(ProviderUnreachableError):
        await asyncio.wait_for(bench.exchange(b"HTTP/1.1 " + status + b" Odd\r\ncontent-length: 0\r\n\r\n"), 1.0)


async def test_trailers_of_an_answer_are_dropped(bench: Bench) -> None:
    """The head may be with the client already."""
    chunks = b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-late: 1\r\n\r\n"
    answer = await bench.exchange(HEAD + chunks)
    assert [name for name, _ in answer.headers] == [b"content-type", b"transfer-encoding"]
    assert answer.take_whole() == b"ok"


async def test_a_kept_connection_that_ended_is_not_taken(bench: Bench) -> None:
    """The newest that still stands is; another address has its own."""
    older, newer = bench.connected()[0], bench.connected()[0]
    other = Provider(name="q", kind="openai", scheme="http", host="127.0.0.1", port=81, allow_private=True)
    for kept in (older, newer):
        bench.pool.give_back(kept)
    assert bench.pool.take(other) is None
    assert bench.pool.take(PROVIDER) is newer
    bench.pool.give_back(newer)
    newer.eof_received()
    assert bench.pool.take(PROVIDER) is older
    assert bench.pool.take(PROVIDER) is None


async def test_dialing_gives_a_connection_or_says_why_not(bench: Bench) -> None:
    """Walked as a call is, which has no task of its own."""
    connected: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connected.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = Provider(name="p", kind="openai", scheme="http", host="127.0.0.1", port=port, allow_private=True)
    connection = await walked(bench.pool.dial(provider))
    assert connection.usable and connection.address_key == ("http", "127.0.0.1", port, True)
    connection.close()
    server.close()
    await server.wait_closed()
    for writer in connected:
        writer.close()
    with pytest.raises(ProviderUnreachableError):
        await walked(bench.pool.dial(provider))


@pytest.mark.parametrize("ends", ["eof_received", "connection_lost"])
async def test_a_connection_that_ends_before_its_call_goes_on_is_unreachable(bench: Bench, ends: str) -> None:
    """A balancer without servers lets one in and out again: the call is told so at once, and nothing was sent."""
    connection, _ = bench.connected()

    class Slamming(Dialer):
        async def dial(self, provider: Provider, protocol: object) -> Connection:  # type: ignore[override]
            connection.eof_received() if ends == "eof_received" else connection.connection_lost(None)
            return connection

    pool = ConnectionPool(Slamming(connect_timeout_s=1.0), idle_max=2, idle_timeout_s=10.0, buffer_bytes_max=100)
    with pytest.raises(ProviderUnreachableError):
        await walked(pool.dial(PROVIDER))


async def test_a_kept_connection_serves_only_who_could_have_dialed_it(bench: Bench) -> None:
    """One into a private network is not lent to a provider that may not be in one."""
    bench.pool.give_back(bench.connection)
    public = Provider(name="q", kind="openai", scheme="http", host="127.0.0.1", port=80)
    assert bench.pool.take(public) is None
    assert bench.pool.take(PROVIDER) is bench.connection


async def test_an_answer_before_the_end_of_its_request_ends_the_connection(bench: Bench) -> None:
    """What is left of the request would go out in front of the next one."""
    answer = await bench.exchange(HEAD + b"content-length: 0\r\n\r\n", body=b"a" * 300_000)
    bench.transport.unsent = 200_000
    answer.release()
    assert bench.transport.aborted and bench.pool.take(PROVIDER) is None


async def test_a_body_flows_into_a_sink_as_it_comes(bench: Bench) -> None:
    """What had come before included; `flowed` tells when it was all."""
    answer = await bench.exchange(HEAD + b"content-length: 9\r\n\r\none")
    pieces: list[bytes] = []
    answer.flow_into(pieces.append)
    flowing = asyncio.ensure_future(walked(answer.flowed()))
    await asyncio.sleep(0)
    bench.connection.data_received(b"two")
    assert pieces == [b"one", b"two"] and not flowing.done()
    bench.connection.data_received(b"six")
    assert await flowing and pieces == [b"one", b"two", b"six"]
    answer.release()
    assert not bench.transport.aborted


async def test_a_flow_can_be_halted(bench: Bench) -> None:
    """The socket is not read until it goes on."""
    answer = await bench.exchange(HEAD + b"content-length: 9\r\n\r\n")
    answer.flow_into(lambda piece: None)
    flowing = asyncio.ensure_future(walked(answer.flowed()))
    await asyncio.sleep(0)
    answer.halt()
    assert await flowing is False and not bench.transport.reading
    answer.resume()
    assert bench.transport.reading
    bench.connection.data_received(b"123456789")
    assert await walked(answer.flowed())


@pytest.mark.parametrize("early", [True, False])
async def test_what_a_sink_raises_reaches_the_call(bench: Bench, early: bool) -> None:
    """Not the parser; and the connection is not used again."""

    def sink(piece: bytes) -> None:
        raise LookupError(piece)

    answer = await bench.exchange(HEAD + b"content-length: 9\r\n\r\n" + (b"one" if early else b""))
    answer.flow_into(sink)
    if not early:
        bench.connection.data_received(b"one")
    with pytest.raises(LookupError):
        await walked(answer.flowed())
    assert bench.transport.aborted


async def test_a_flow_that_is_cut_raises(bench: Bench) -> None:
    """Never a quiet end."""
    answer = await bench.exchange(HEAD + b"content-length: 9\r\n\r\none")
    answer.flow_into(lambda piece: None)
    bench.connection.connection_lost(None)
    with pytest.raises(ProviderCutError):
        await walked(answer.flowed())
