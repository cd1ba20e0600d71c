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
from tollhouse.gateway.running import Pause
from tollhouse.kernel.errors import ProviderCutError, ProviderError, ProviderUnreachableError
from tollhouse.routing.model import Provider

JOINED_WRITE_BYTES_MAX = 64 * 1024
"""Below this, head and body leave in one write; above, joining would copy more than a second write costs."""

ANSWER_HEAD_BYTES_MAX = 128 * 1024

Header = tuple[bytes, bytes]
Address = tuple[str, str, int, bool]
Sink = Callable[[bytes], None]


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is written: `head` is the request line and all header fields, up to and with the empty line."""

    head: bytes
    body: bytes
    bodiless: bool = False
    """The answer has no body, whatever its head says (HEAD)."""


def address_of(provider: Provider) -> Address:
    """Who may share a connection: the same server, and under the same rule of which addresses may be dialed."""
    return provider.scheme, provider.host, provider.port, provider.allow_private


class ConnectionPool:
    """Keeps idle connections per provider address; newest first, so that the surplus ages out."""

    def __init__(self, dialer: Dialer, *, idle_max: int, idle_timeout_s: float, buffer_bytes_max: int) -> None:
        self._dialer = dialer
        self._idle: dict[Address, deque[Connection]] = {}
        self._idle_max = idle_max
        self._idle_timeout_s = idle_timeout_s
        self._buffer_bytes_max = buffer_bytes_max
        self._loop = asyncio.get_running_loop()

    def take(self, provider: Provider) -> Connection | None:
        """A kept connection that is free for one exchange, if there is one."""
        idle = self._idle.get(address_of(provider))
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def dial(self, provider: Provider) -> Connection:
        """A new connection. ProviderUnreachableError or ProviderTimeoutError."""
        dialing = self._dialer.dial(provider, lambda: Connection(self, provider, self._buffer_bytes_max))
        # With a time limit, which asyncio counts for a task.
        connection = await self._loop.create_task(dialing)
        if not connection.usable:
            # It ended before its call was told of it, so that nobody else would ever tell.
            raise ProviderUnreachableError("the provider closed the connection at once")
        return connection

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
        self.address_key = address_of(provider)
        self._buffer_bytes_max = buffer_bytes_max
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time
        """The loop's monotonic time."""
        self._transport: asyncio.Transport | None = None
        # Used again for the next answer only where this one came to its proper end: see `release`.
        self._parser = httptools.HttpResponseParser(self)
        self._pause = Pause()
        self.idle_since_s = 0.0
        self.usable = False
        self._active = False
        self._parsing = self._wake_due = False
        self._begin(bodiless=False)

    def _begin(self, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head_bytes = 0
        self._paused = False
        self._head_done = False
        self._complete = False
        self._framed = False
        self._bodiless = bodiless
        self._keep_alive = False
        self._error: ProviderError | None = None
        self._sink: Sink | None = None
        self._fault: Exception | None = None
        self._halted = False

    async def exchange(self, request: UpstreamRequest) -> Connection:
        """Writes the request and waits for the answer's head; the connection itself is the answer."""
        self._begin(bodiless=request.bodiless)
        self._active = True
        transport = self._transport
        assert transport is not None, "written before it was connected"
        if len(request.body) <= JOINED_WRITE_BYTES_MAX:
            transport.write(request.head + request.body)
        else:
            transport.write(request.head)
            transport.write(request.body)
        while not self._head_done:
            if self._error is not None:
                raise self._error
            await self._pause
        return self

    async def read(self) -> bytes:
        """All bytes of the body that have arrived, at least one; b'' at its proper end. ProviderError otherwise."""
        while not self._chunks:
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._pause
        return self._take()

    def take_whole(self) -> bytes | None:
        """The whole body, where all of it has come already; None where some has yet to come."""
        return self._take() if self._complete else None

    def flow_into(self, sink: Sink) -> None:
        """From now on each piece of the body goes to `sink` as it comes, without a task being woken for it."""
        self._sink = sink
        if self._chunks:
            try:
                sink(self._take())
            except Exception as error:
                self._sink_failed(error)

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
            await self._pause
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

    def _sink_failed(self, error: Exception) -> None:
        # Raised in the parser it would end as an error of the parser; it is raised again where the call waits.
        self._fault = error
        self.close()
        self._wake()

    def _take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        self._buffered = 0
        # Also behind a complete body: a connection that goes back to the pool must hear what comes next.
        self.resume()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _wake(self) -> None:
        """Runs on the call that waits; out of the parser's callbacks only when it has done with all that came."""
        if self._parsing:
            self._wake_due = True
        else:
            self._pause.resume()

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
        self._sink = None
        # Their tracebacks lead to the call, and to a key that is passed through.
        self._error = self._fault = None
        self.resume()
        if self._complete and self.usable and self._keep_alive and self._framed and self._is_sent():
            self._pool.give_back(self)
        else:
            self.close()

    def _is_sent(self) -> bool:
        """An answer may come before all of its request has gone; the next one is not to stand behind the rest."""
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

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
        if not self._active:
            # Bytes that nobody asked for: whatever they are, the connection is not in a state to be used again.
            self.close()
            return
        if not self._head_done:
            # Counted by what arrives, not by field: it is asked for every answer, and told by very few.
            self._head_bytes += len(data)
        self._parsing = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the provider switched protocols")
        except httptools.HttpParserError:
            self._fail("the provider's answer is not HTTP")
        self._parsing = False
        if not self._head_done and self._head_bytes > ANSWER_HEAD_BYTES_MAX:
            self._fail("the head of the provider's answer is too long")
        if self._wake_due:
            self._wake_due = False
            self._pause.resume()

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
        name = name.lower()
        if name == b"content-length" or (name == b"transfer-encoding" and b"chunked" in value.lower()):
            self._framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 100 or self.status == 101:
            self._fail("the provider's answer has no status that may be passed on")
        if self.status < 200 or self._error is not None:
            return
        if self._head_bytes > ANSWER_HEAD_BYTES_MAX and self._is_head_too_long():
            self._fail("the head of the provider's answer is too long")
            return
        if self.status in (204, 304):
            self._framed = True
        self._head_done = True
        if self._bodiless:
            self._complete, self._framed = True, False
        self._wake()

    def _is_head_too_long(self) -> bool:
        return sum(len(name) + len(value) for name, value in self.headers) > ANSWER_HEAD_BYTES_MAX

    def on_body(self, body: bytes) -> None:
        if self._sink is not None:
            try:
                self._sink(body)
            except Exception as error:
                self._sink_failed(error)
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
            self.headers, self._framed = [], False
            return
        self._keep_alive = self._parser.should_keep_alive()
        self._complete = True
        self._wake()
