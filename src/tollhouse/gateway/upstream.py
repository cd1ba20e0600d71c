"""Upstream transport: HTTP/1.1 over pooled connections, as asyncio protocols around httptools.

What it promises: the request's bytes go out as given; the answer's head and body come back as they are on the wire
(chunk framing removed); a body that ends early raises, never ends quietly. It never follows a redirect and never
retries. At most `buffer_bytes_max` of an answer wait here; beyond that the provider's socket is not read, so that it
feels the pressure.

Deadlines are watched by the worker's one sweeper through `Connection.expire`, so no call owns a timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools
import msgspec

from tollhouse.gateway.dialing import Dialer
from tollhouse.kernel.errors import ProviderCutError, ProviderError, ProviderUnreachableError
from tollhouse.routing.model import Provider

JOINED_WRITE_BYTES_MAX = 64 * 1024
"""Below this, head and body leave in one write; above, joining would copy more than a second write costs."""

ANSWER_HEAD_BYTES_MAX = 128 * 1024

Header = tuple[bytes, bytes]
Sink = Callable[[bytes], None]


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is written: `head` is the request line and all header fields, up to and with the empty line."""

    head: bytes
    body: bytes
    bodiless: bool = False
    """The answer has no body, whatever its head says (HEAD)."""


class ConnectionPool:
    """Keeps idle connections per provider address; newest first, so that the surplus ages out."""

    def __init__(self, dialer: Dialer, *, idle_max: int, idle_timeout_s: float, buffer_bytes_max: int) -> None:
        self._dialer = dialer
        self._idle: dict[tuple[str, str, int], deque[Connection]] = {}
        self._idle_max = idle_max
        self._idle_timeout_s = idle_timeout_s
        self._buffer_bytes_max = buffer_bytes_max
        self._loop = asyncio.get_running_loop()

    async def connect(self, provider: Provider) -> Connection:
        """A connection that is free for one exchange. ProviderUnreachableError or ProviderTimeoutError."""
        idle = self._idle.get((provider.scheme, provider.host, provider.port))
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return await self._dialer.dial(provider, lambda: Connection(self, provider, self._buffer_bytes_max))

    def give_back(self, connection: Connection) -> None:
        """Takes a connection whose exchange is over."""
        key = connection.address_key
        idle = self._idle.setdefault(key, deque())
        connection.idle_since_s = self._loop.time()
        idle.append(connection)
        if len(idle) > self._idle_max:
            idle.popleft().close()

    def sweep(self, now_s: float) -> None:
        """Closes what has been idle for too long; called by the worker's sweeper."""
        for idle in self._idle.values():
            while idle and (not idle[0].usable or now_s - idle[0].idle_since_s > self._idle_timeout_s):
                idle.popleft().close()

    def close(self) -> None:
        """Closes every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


class Connection(asyncio.Protocol):
    """One connection to a provider; serves one exchange at a time and is the answer of that exchange."""

    def __init__(self, pool: ConnectionPool, provider: Provider, buffer_bytes_max: int) -> None:
        self._pool = pool
        self.address_key = (provider.scheme, provider.host, provider.port)
        self._buffer_bytes_max = buffer_bytes_max
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.idle_since_s = 0.0
        self.usable = False
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head_bytes = 0
        self._paused = False
        self._head_done = False
        self._complete = False
        self._framed = False
        self._keep_alive = False
        self._error: ProviderError | None = None
        self._active = False
        self._sink: Sink | None = None
        self._fault: Exception | None = None
        self._halted = False

    async def exchange(self, request: UpstreamRequest) -> Connection:
        """Writes the request and waits for the answer's head; the connection itself is the answer."""
        self._begin()
        self._active = True
        self._bodiless = request.bodiless
        # A parser lives for one answer: an answer that ends with its connection leaves no state behind.
        self._parser = httptools.HttpResponseParser(self)
        self._write(request)
        while not self._head_done:
            if self._error is not None:
                raise self._error
            await self._wait()
        return self

    def _write(self, request: UpstreamRequest) -> None:
        assert self._transport is not None, "written before it was connected"
        if len(request.body) <= JOINED_WRITE_BYTES_MAX:
            self._transport.write(request.head + request.body)
        else:
            self._transport.write(request.head)
            self._transport.write(request.body)

    async def read(self) -> bytes:
        """All bytes of the body that have arrived, at least one; b'' at its proper end. ProviderError otherwise."""
        while not self._chunks:
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        return self._take()

    def take_whole(self) -> bytes | None:
        """The whole body, where all of it has come already; None where some has yet to come."""
        return self._take() if self._complete else None

    def flow_into(self, sink: Sink) -> None:
        """From now on each piece of the body goes to `sink` as it comes, without a task being woken for it."""
        self._sink = sink
        if self._chunks:
            self._push(self._take())

    async def flowed(self) -> bool:
        """True when the body has come to its proper end, False when `halt` was called meanwhile.

        ProviderError where it ended otherwise; what the sink raised, where it did.
        """
        while not self._halted:
            if self._fault is not None:
                raise self._fault
            if self._complete:
                return True
            if self._error is not None:
                raise self._error
            await self._wait()
        self._halted = False
        return False

    def halt(self) -> None:
        """Reads no more of the body until `resume`, and wakes who waits in `flowed`."""
        self._halted = True
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def resume(self) -> None:
        """Reads on."""
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _push(self, data: bytes) -> None:
        assert self._sink is not None, "pushed without a sink"
        try:
            self._sink(data)
        except Exception as error:
            # Raised here it would end as an error of the parser; it is raised again where the call waits.
            self._fault = error
            self.close()
            self._wake()

    def _take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        self._buffered = 0
        # Also behind a complete body: a connection that goes back to the pool must hear what comes next.
        self.resume()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def now_s(self) -> float:
        """The loop's monotonic time."""
        return self._loop.time()

    def expire(self, error: ProviderError) -> None:
        """Ends the answer now: whoever waits for more of it is told `error`."""
        if not self._complete and self._error is None:
            self._error = error
        self.close()
        self._wake()

    def release(self) -> None:
        """Gives the connection back when the answer was read to its end, else closes it. Idempotent."""
        if not self._active:
            return
        self._active = False
        self._parser = None
        self._sink = None
        self.resume()
        if self._complete and self.usable and self._keep_alive and self._framed:
            self._pool.give_back(self)
        else:
            self.close()

    def close(self) -> None:
        """Closes the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            # Bytes that nobody asked for: whatever they are, the connection is not in a state to be used again.
            self.close()
            return
        if not self._head_done:
            # Counted by what arrives, not by field: it is asked for every answer, and told by very few.
            self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the provider switched protocols")
        except httptools.HttpParserError:
            self._fail("the provider's answer is not HTTP")
        if not self._head_done and self._head_bytes > ANSWER_HEAD_BYTES_MAX:
            self._fail("the head of the provider's answer is too long")

    def eof_received(self) -> bool:
        self.connection_lost(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if not self._active or self._complete or self._error is not None:
            self._wake()
            return
        if self._head_done and not self._framed and error is None:
            # Neither length nor chunks: the end of the connection is the end of the body (RFC 9112 §6.3).
            self._complete = True
        elif self._head_done:
            self._error = ProviderCutError("the provider broke off its answer")
        else:
            self._error = ProviderUnreachableError("the provider closed the connection without an answer")
        self._wake()

    def _fail(self, message: str) -> None:
        if self._error is None and not self._complete:
            self._error = ProviderCutError(message) if self._head_done else ProviderUnreachableError(message)
        self.close()
        self._wake()

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            # A second answer to one request is nobody's: parsing ends here, and the connection with it.
            raise ProviderCutError("the provider sent more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            # A trailer: it is no part of the head, which may be with the client already.
            return
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status < 100 or self.status == 101:
            self._fail("the provider's answer has no status that may be passed on")
        if self.status < 200 or self._error is not None:
            return
        if self._head_bytes > ANSWER_HEAD_BYTES_MAX and self._is_head_too_long():
            self._fail("the head of the provider's answer is too long")
            return
        self._framed = self.status in (204, 304) or any(
            name == b"content-length" or (name == b"transfer-encoding" and b"chunked" in value.lower())
            for name, value in self.headers
        )
        self._head_done = True
        if self._bodiless:
            self._complete, self._framed = True, False
        self._wake()

    def _is_head_too_long(self) -> bool:
        return sum(len(name) + len(value) for name, value in self.headers) > ANSWER_HEAD_BYTES_MAX

    def on_body(self, body: bytes) -> None:
        if self._sink is not None:
            self._push(body)
            return
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > self._buffer_bytes_max and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self.status < 200:
            # An interim answer (100, 103) is dropped; the final one follows on the same parser.
            self.headers = []
            return
        assert self._parser is not None
        self._keep_alive = self._parser.should_keep_alive()
        self._complete = True
        self._wake()
