"""The client's side of the gateway: HTTP/1.1 as an asyncio protocol around httptools' parser.

What it promises: a request's head has at most `head_bytes_max` and `head_fields_max` and comes within `head_timeout_s`;
a request is served as soon as its head is there, one at a time, and those sent behind it wait, unread, as they do for a
client that does not read its answers; bytes that are no HTTP get one plain 400, and never in the middle of another
answer; the corridor hears at once that a client has left; a whole answer leaves in one write. Deadlines are watched by
the worker's one sweeper through `expire`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools
import msgspec

from tollhouse.gateway.http_text import CONTINUE, CROWDED, STATUS_LINES, origin_form, without_upgrade
from tollhouse.gateway.request import Header, Request
from tollhouse.gateway.running import Pause
from tollhouse.settings import Limits

Serve = Callable[[Request], None]


class EdgeProtocol(asyncio.Protocol):
    """One client connection. `serve` is called with each request, once its head is there."""

    def __init__(self, serve: Serve, limits: Limits, connections: set[EdgeProtocol], connections_max: int) -> None:
        self._serve = serve
        self._limits = limits
        self._connections = connections
        self._connections_max = connections_max
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self.active: Request | None = None
        """The request that is being answered."""
        self._due: Request | None = None
        self._incoming: Request | None = None
        self._waiting: deque[Request] = deque()
        self._room: Pause | None = None
        self.blocked = False
        """The client reads slower than we write."""
        self.blocked_since_s: float | None = None
        self.closing_since_s: float | None = None
        """No more is read or answered, and what was written may still have to be read."""
        self.head_since_s: float | None = None
        self.idle_since_s: float | None = None
        self._deaf = self._stopping = False
        self._in_head = self._in_message = self._head_is_new = False
        self._chunk_bytes = self._first_bytes = self._more_bytes = 0
        self._headers: list[Header] = []
        self._before = b""
        """The last three bytes of a head whose end has yet to come."""
        self._url = b""
        self._length: bytes | None = None
        self._expects_continue = False
        self._chunked = self._bodiless = False

    # What the corridor tells it

    def start(self, status: int, lines: bytes, length: int | None) -> None:
        """Writes an answer's head, `lines` being its header lines; `length` None: the body is sent in chunks.

        Nothing, where the client has left.
        """
        request = self._current()
        if not request.gone:
            self._write(self._head(request, status, lines, length))

    def whole(self, status: int, lines: bytes, body: bytes) -> None:
        """Writes a whole answer at once."""
        request = self._current()
        if not request.gone:
            head = self._head(request, status, lines, len(body))
            self._write(head if self._bodiless else head + body)
            self._finish(request)

    def write(self, data: bytes) -> None:
        """Writes the next bytes of a body that was started. The caller waits for `writable` where `blocked`."""
        request, transport = self.active, self._transport
        if request is None or transport is None or request.gone or self._bodiless:
            return
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        """Ends a body that was started."""
        request = self._current()
        if not request.gone:
            if self._chunked and not self._bodiless:
                self._write(b"0\r\n\r\n")
            self._finish(request)

    def let_go(self) -> None:
        """The call of a client that has left is over: nothing refers to its request any more."""
        self.active = None

    async def writable(self) -> None:
        """Waits until the client reads on, or has left."""
        while self.blocked and not self._current().gone:
            if self._room is None:
                self._room = Pause()
            await self._room

    def ask_for_body(self) -> None:
        """The client waits to be asked for its body (RFC 9110 §10.1.1)."""
        if not self._current().answering:
            self._write(CONTINUE)

    def abort(self) -> None:
        """Ends the connection without waiting for the client to read."""
        if self._transport is not None:
            self._transport.abort()

    # What the sweeper and the worker tell it

    def expire(self, now_s: float) -> None:
        """Ends the connection when its request head, its next request or its client's reading has taken too long.

        The last also after an answer was complete: what a client does not read is kept for it no longer.
        """
        limits = self._limits
        slow_head = self.head_since_s is not None and now_s - self.head_since_s > limits.head_timeout_s
        idle = self.idle_since_s is not None and now_s - self.idle_since_s > limits.keep_alive_timeout_s
        unread_since_s = self.blocked_since_s or self.closing_since_s
        blocked = unread_since_s is not None and now_s - unread_since_s > limits.idle_timeout_s
        if slow_head and self.active is not None and not blocked:
            # It stands behind a request that is in order: that one is answered, and then the connection ends.
            self.head_since_s, self._deaf, self.active.keep_alive = None, True, False
        elif slow_head or blocked:
            self.head_since_s = self.blocked_since_s = None
            self.abort()
        elif idle:
            self._close()

    def shutdown(self) -> None:
        """Takes no further request; ends the connection when the one that is being answered is done."""
        self._stopping = True
        if self.active is not None:
            self.active.keep_alive = False
        elif not self._waiting:
            self._close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        self.head_since_s = self._loop.time()
        if len(self._connections) > self._connections_max:
            self._deaf = True
            self._transport.write(CROWDED)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self.head_since_s = self.blocked_since_s = self.idle_since_s = self.closing_since_s = None
        self.blocked = False
        self._deaf = True
        self._waiting.clear()
        self._incoming = self._due = None
        request = self.active
        if request is not None and not request.done:
            request.leave()
        if self._room is not None:
            self._room.resume()

    def pause_writing(self) -> None:
        self.blocked = True
        self.blocked_since_s = self._loop.time()

    def resume_writing(self) -> None:
        self.blocked = False
        self.blocked_since_s = None
        if self._room is not None:
            self._room.resume()
        if self._waiting:
            self._loop.call_soon(self._serve_next)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if (self._in_head or not self._in_message) and (b"pgrade" in data or b"PGRADE" in data):
            data = without_upgrade(self._before if self._in_head else b"", data)
        self._chunk_bytes = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What follows is no HTTP of ours: taken for a request, it would be smuggled behind this one.
            if self._waiting:
                self._waiting.pop()
            elif self._due is not None:
                self.active = self._due = None
            self._reject("this gateway does not switch protocols")
        except httptools.HttpParserError:
            self._reject("the request is not valid HTTP")
        if self._in_head:
            self._before = (self._before + data[-3:])[-3:]
            self._bound_head(len(data))
        if self._due is not None:
            request, self._due = self._due, None
            self._serve(request)
        elif self.active is not None:
            self.active.wake()

    # httptools callbacks

    def on_message_begin(self) -> None:
        # Not before: blank lines and what is left of a body that was answered do not keep a connection for ever.
        self.idle_since_s = None
        self._headers = []
        self._before = self._url = b""
        self._length = None
        self._expects_continue = False
        self._in_head = self._in_message = True
        self._head_is_new = True
        self._first_bytes, self._more_bytes = self._chunk_bytes, 0
        if self.head_since_s is None and not self._waiting:
            # Else nothing is read, and its time begins when something is.
            self.head_since_s = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # Trailers say nothing that a head may say; they are dropped, and bounded.
            self._more_bytes += len(name) + len(value)
            if self._more_bytes > self._limits.head_bytes_max:
                raise ValueError("the request's trailers are too long")
            return
        name = name.lower()
        if name == b"content-length":
            self._length = value
            return
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        url = self._url
        if not url.startswith(b"/") or b"#" in url:
            url = origin_form(url)
        request = Request(self, parser.get_method(), url, self._headers, self._loop.time())
        request.length = self._length
        request.head_too_long = self._is_head_too_long()
        # A key that is passed through, in a field or in the query, lives as long as its call.
        self._headers, self._url = [], b""
        version = parser.get_http_version()
        # An older client knows no 100 (RFC 9110 §10.1.1).
        request.expects_continue = self._expects_continue and version == "1.1"
        if version != "1.1":
            if version != "1.0":
                raise ValueError("HTTP/1.1 and HTTP/1.0 are spoken here")
            request.old = True
            request.keep_alive = False
        elif self._stopping or not parser.should_keep_alive():
            request.keep_alive = False
        self._in_head = False
        self._more_bytes = 0
        self.head_since_s = None
        self._incoming = request
        if self.active is None and not self.blocked and not self._waiting:
            self.active = self._due = request
        else:
            self._waiting.append(request)
            if len(self._waiting) == 1 and self._transport is not None:
                self._transport.pause_reading()

    def on_body(self, body: bytes) -> None:
        if self._incoming is not None:
            self._incoming.take_part(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        request, self._incoming = self._incoming, None
        if request is not None:
            request.sending = False

    # Inside

    def _current(self) -> Request:
        assert self.active is not None, "answered without a request"
        return self.active

    def _write(self, data: bytes) -> None:
        assert self._transport is not None, "written before it was connected"
        self._transport.write(data)

    def _close(self) -> None:
        """Ends the connection when the client has read what was written; `expire` sees that it does."""
        if self._transport is not None and self.closing_since_s is None:
            self.closing_since_s = self._loop.time()
            self._transport.close()

    def _head(self, request: Request, status: int, lines: bytes, length: int | None) -> bytes:
        request.answering = True
        if request.sending:
            # Nobody reads on what it sends, and no deadline watches it any more.
            request.keep_alive = False
        self._bodiless = status in (204, 304) or request.method == b"HEAD"
        self._chunked = length is None and not request.old
        if length is None and request.old:
            request.keep_alive = False
        if length is not None and status != 204:
            framing = b"content-length: %d\r\n" % length
        else:
            framing = b"transfer-encoding: chunked\r\n" if self._chunked and not self._bodiless else b""
        end = b"\r\n" if request.keep_alive else b"connection: close\r\n\r\n"
        return b"%b%b%b%b" % (STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, lines, framing, end)

    def _finish(self, request: Request) -> None:
        request.done = True
        self.active = None
        if not request.keep_alive:
            self._deaf = True
            self._close()
            return
        if self._waiting:
            # In a turn of its own, so that a thousand small requests in a row do not stand on each other's shoulders.
            self._loop.call_soon(self._serve_next)
        elif not self._in_message:
            self.idle_since_s = self._loop.time()

    def _serve_next(self) -> None:
        if self.active is not None or not self._waiting or self.blocked or self.closing_since_s is not None:
            # What a client does not read is bounded by one answer: the next is made when this one is read.
            return
        self.active = request = self._waiting.popleft()
        if self._stopping:
            request.keep_alive = False
        if not self._waiting and self._transport is not None:
            self._transport.resume_reading()
            self.head_since_s = self._loop.time() if self._in_head else None
        self._serve(request)

    def _reject(self, message: str) -> None:
        """Bytes that are no HTTP: no dialect can be known, so the answer is the plainest JSON."""
        if self._deaf:
            return
        self._deaf = True
        request = self.active or (self._waiting[0] if self._waiting else None)
        if request is not None and not request.sending:
            # They stand behind a request that is in order: that one is answered, and then the connection ends.
            request.keep_alive = False
            return
        if request is not None:
            request.gone = True
            if request.answering:
                self.abort()
                return
        body = msgspec.json.encode({"error": {"type": "bad_request", "code": "bad_request", "message": message}})
        self._write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self._close()

    def _bound_head(self, size: int) -> None:
        """A head that goes on and on is answered without waiting for its end."""
        if self._head_is_new:
            self._head_is_new = False
            return
        self._more_bytes += size
        if self._more_bytes > self._limits.head_bytes_max:
            self._reject("the request head is too long")

    def _is_head_too_long(self) -> bool:
        limits = self._limits
        fields = len(self._headers) + (self._length is not None)
        if fields > limits.head_fields_max:
            return True
        last = 0 if self._head_is_new else self._chunk_bytes
        if self._first_bytes + self._more_bytes + last <= limits.head_bytes_max:
            # All the pieces that it came in fit, so the head does: the ordinary case costs one comparison.
            return False
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
        return size > limits.head_bytes_max


def listen(
    serve: Serve, limits: Limits, connections_max: int = 100_000
) -> tuple[Callable[[], EdgeProtocol], set[EdgeProtocol]]:
    """A protocol factory for `loop.create_server`, and the set of its open connections.

    Beyond `connections_max` a connection is told so and closed, so that descriptors are left for others' calls.
    """
    connections: set[EdgeProtocol] = set()
    return (lambda: EdgeProtocol(serve, limits, connections, connections_max)), connections
