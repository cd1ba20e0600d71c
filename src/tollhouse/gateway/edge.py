"""The client's side of the gateway: uvicorn's HTTP/1.1 protocol with bounds on the request head.

uvicorn puts no limit on how long a head is or how long it takes; here it is at most `head_bytes_max` and
`head_fields_max`, within `head_timeout_s`, watched by the worker's one sweeper. It also tells the corridor at once when
the client leaves, without a task per call that waits for it, and writes answers itself: head and body of a whole answer
in one write, without checking again the header fields that a parser has just taken apart.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tollhouse.settings import Limits

CROWDED_BODY = b'{"error":{"type":"unavailable","code":"unavailable","message":"too many open connections"}}'
CROWDED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(CROWDED_BODY), CROWDED_BODY)
)
TOO_LONG_KEY = "tollhouse.head_too_long"
"""Whether a request's head is beyond its bounds; in its own scope, since others may come behind it."""
UPGRADE_LINE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*", re.IGNORECASE)
SCOPE_KEY = "tollhouse.edge"
"""Where the application finds the protocol of its request in the ASGI scope."""


class EdgeProtocol(HttpToolsProtocol):
    """One client connection."""

    active: RequestResponseCycle
    """The request that is being answered; there is one as soon as an application runs."""

    def __init__(self, config: Config, server_state: ServerState, limits: Limits, connections_max: int) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._connections_max = connections_max
        self._limits = limits
        self.on_gone: Callable[[], None] | None = None
        self.head_since_s: float | None = None
        self.blocked_since_s: float | None = None
        self._in_head = self._in_message = False
        self._head_is_new = False
        self._chunk_bytes = self._first_bytes = self._more_bytes = 0
        self._chunked = False
        self._bodiless = False

    @property
    def gone(self) -> bool:
        """Whether the client of the current request has left."""
        return self.active.disconnected

    @property
    def answering(self) -> bool:
        """Whether an answer to the current request has begun."""
        return self.active.response_started

    @property
    def sending(self) -> bool:
        """Whether the client has not sent all of the current request's body yet."""
        return self.active.more_body

    @property
    def blocked(self) -> bool:
        """Whether the client reads slower than we write."""
        return bool(self.flow.write_paused)

    def take_body(self) -> bytes | None:
        """The whole body of the request, where all of it has come already; None where some has yet to come."""
        cycle = self.active
        if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        return body

    def start(self, status: int, lines: bytes, length: int | None) -> None:
        """Writes an answer's head, `lines` being its header lines; `length` None: the body is sent in chunks.

        Nothing, where the client has left.
        """
        if not self.active.disconnected:
            self.transport.write(self._head(status, lines, length))

    def whole(self, status: int, lines: bytes, body: bytes) -> None:
        """Writes a whole answer at once."""
        if not self.active.disconnected:
            head = self._head(status, lines, len(body))
            self.transport.write(head if self._bodiless else head + body)
            self._finish()

    def write(self, data: bytes) -> None:
        """Writes the next bytes of a body that was started. The caller waits for `writable` where `blocked`."""
        if not self.active.disconnected and not self._bodiless:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        """Ends a body that was started."""
        if not self.active.disconnected:
            if self._chunked and not self._bodiless:
                self.transport.write(b"0\r\n\r\n")
            self._finish()

    async def writable(self) -> None:
        """Waits until the client reads on, or has left."""
        await self.flow.drain()

    def _head(self, status: int, lines: bytes, length: int | None) -> bytes:
        cycle = self.active
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        self._bodiless = status in (204, 304) or cycle.scope["method"] == "HEAD"
        self._chunked = length is None and cycle.scope["http_version"] != "1.0"
        if length is None and not self._chunked:
            cycle.keep_alive = False
        if length is not None and status != 204:
            framing = b"content-length: %d\r\n" % length
        else:
            framing = b"transfer-encoding: chunked\r\n" if self._chunked and not self._bodiless else b""
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        return b"%b%b%b%b" % (STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status, lines, framing, end)

    def _finish(self) -> None:
        """What uvicorn does at the end of an answer that went through its own `send`."""
        cycle = self.active
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def abort(self) -> None:
        """Ends the connection without waiting for the client to read."""
        self.transport.abort()

    def expire(self, now_s: float) -> None:
        """Ends the connection when its request head, or its client's reading, has taken too long.

        The latter also after an answer was complete: what a client does not read is kept for it no longer.
        """
        slow_head = self.head_since_s is not None and now_s - self.head_since_s > self._limits.head_timeout_s
        blocked = self.blocked_since_s is not None and now_s - self.blocked_since_s > self._limits.idle_timeout_s
        if slow_head or blocked:
            self.head_since_s = self.blocked_since_s = None
            self.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.blocked_since_s = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.blocked_since_s = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._connections_max:
            transport.write(CROWDED)
            transport.close()
        self.head_since_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.head_since_s = self.blocked_since_s = None
        super().connection_lost(exc)
        if self.cycle is not None and not self.active.response_complete:
            self.active.disconnected = True
            self.active.message_event.set()
        if self.on_gone is not None:
            self.on_gone()

    def data_received(self, data: bytes) -> None:
        if (self._in_head or not self._in_message) and (b"pgrade" in data or b"PGRADE" in data):
            data = _without_upgrade(data)
        self._chunk_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What follows is no HTTP of ours: taken for a request, it would be smuggled behind this one.
            if self.cycle is not None:
                self.active.disconnected = True
            self.send_400_response("this gateway does not switch protocols")
        except httptools.HttpParserError:
            self.send_400_response("the request is not valid HTTP")
        if not self._in_head:
            return
        if self._head_is_new:
            self._head_is_new = False
            return
        self._more_bytes += len(data)
        if self._more_bytes > self._limits.head_bytes_max and not self.transport.is_closing():
            self.send_400_response("the request head is too long")

    def on_message_begin(self) -> None:
        # Not before: blank lines and what is left of a body that was answered do not keep a connection for ever.
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_is_new = True
        self._first_bytes, self._more_bytes = self._chunk_bytes, 0
        if self.head_since_s is None:
            self.head_since_s = self.loop.time()
        self.scope[SCOPE_KEY] = self  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # Trailers say nothing that a head may say; they are dropped, and bounded.
            self._more_bytes += len(name) + len(value)
            if self._more_bytes > self._limits.head_bytes_max:
                raise ValueError("the request's trailers are too long")
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_message_complete(self) -> None:
        self._in_message = False
        super().on_message_complete()

    def _is_head_too_long(self) -> bool:
        limits = self._limits
        if len(self.headers) > limits.head_fields_max:
            return True
        last = 0 if self._head_is_new else self._chunk_bytes
        if self._first_bytes + self._more_bytes + last <= limits.head_bytes_max:
            # All the pieces that it came in fit, so the head does: the ordinary case costs one comparison.
            return False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > limits.head_bytes_max

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Pipelined requests make cycles ahead of time; the one whose task runs is the one that is being answered.
        self.active = cycle
        super()._start_asgi_task(cycle, app)

    def on_headers_complete(self) -> None:
        self.scope[TOO_LONG_KEY] = self._is_head_too_long()  # type: ignore[literal-required]
        self._in_head = False
        self._more_bytes = 0
        self.head_since_s = None
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP: no dialect can be known, so the answer is the plainest JSON."""
        body = msgspec.json.encode({"error": {"type": "bad_request", "code": "bad_request", "message": msg}})
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """A head without its offers to switch protocols, which a server may ignore (RFC 9110 §7.8) and this one does."""
    end = data.find(b"\r\n\r\n")
    head, rest = (data, b"") if end < 0 else (data[:end], data[end:])
    return UPGRADE_LINE.sub(b"", head) + rest


def listen(app: Any, limits: Limits, connections_max: int = 100_000) -> tuple[Callable[[], EdgeProtocol], ServerState]:
    """A protocol factory for `loop.create_server`, and the state that holds its open connections.

    Beyond `connections_max` a connection is told so and closed, so that descriptors are left for others' calls.
    """
    config = Config(
        app,
        interface="asgi3",
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(limits.keep_alive_timeout_s),
    )
    config.load()
    state = ServerState()
    return (lambda: EdgeProtocol(config, state, limits, connections_max)), state
