"""Request: one client request - its head, as much of its body as has come, and what became of its sender."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tollhouse.gateway.running import Pause, Running
from tollhouse.kernel.ids import CallId, call_id

if TYPE_CHECKING:
    from tollhouse.gateway.edge import EdgeProtocol

Header = tuple[bytes, bytes]


class Randomness:
    """Ten random bytes at a time from the kernel's generator, fetched for many calls at once."""

    __slots__ = ("_at", "_pool")
    _POOL_BYTES = 5120

    def __init__(self) -> None:
        self._pool, self._at = b"", 0

    def take(self) -> bytes:
        """Bytes that were not given before."""
        at = self._at
        if at >= len(self._pool):
            self._pool, at = os.urandom(self._POOL_BYTES), 0
        self._at = at + 10
        return self._pool[at : at + 10]


_randomness = Randomness()


class HeaderNames:
    """The names of a head as text, for questions that are seldom asked: nothing is built until one is."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __contains__(self, name: object) -> bool:
        return str(name).encode() in self._fields


class ClientGoneError(Exception):
    """The client left; there is nobody to answer."""


class Request:
    """`started_ms` is Unix time, `started_s` monotonic; the call id embeds the former."""

    __slots__ = (
        *("_parts", "_pause", "_problem", "answering", "call_id", "done", "edge", "expects_continue", "gone"),
        *("head_too_long", "headers", "keep_alive", "length", "method", "on_gone", "old", "running", "sending"),
        *("started_ms", "started_s", "target"),
    )

    def __init__(self, edge: EdgeProtocol, method: bytes, target: bytes, headers: list[Header], now_s: float) -> None:
        self.edge = edge
        self.method = method
        self.target = target
        """Path and query as on the wire."""
        self.headers = headers
        """Without `content-length`; names in lower case, in order."""
        self.length: bytes | None = None
        """What `content-length` said."""
        self.head_too_long = False
        self.old = False
        """HTTP/1.0: knows no chunks."""
        self.keep_alive = True
        self.expects_continue = False
        self.sending = True
        """The client has not sent all of the body yet."""
        self.gone = False
        """The client has left."""
        self.answering = False
        """An answer has begun."""
        self.done = False
        """The answer is complete."""
        self.on_gone: Callable[[], None] | None = None
        self.running: Running | None = None
        self.started_ms = started_ms = time.time_ns() // 1_000_000
        self.started_s = now_s
        self.call_id: CallId = call_id(started_ms, _randomness.take())
        self._parts: list[bytes] = []
        self._pause: Pause | None = None
        self._problem: BaseException | None = None

    @property
    def path(self) -> str:
        """The path as on the wire, without the query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> bytes:
        """What follows the path's question mark."""
        return self.target.partition(b"?")[2]

    def take_body(self) -> bytes | None:
        """The whole body, where all of it has come already; None where some has yet to come."""
        if self.sending or self.gone:
            return None
        return self._take()

    async def read(self) -> bytes:
        """What has come of the body, at least a byte; b'' at its end. Raises ClientGoneError, or what `interrupt` was
        given."""
        while True:
            problem, self._problem = self._problem, None
            if problem is not None:
                try:
                    raise problem
                finally:
                    # Its traceback leads back here: kept, it would keep the request, and a key that is passed through.
                    del problem
            if self.gone:
                raise ClientGoneError
            if self._parts or not self.sending:
                return self._take()
            if self.expects_continue:
                self.expects_continue = False
                self.edge.ask_for_body()
            if self._pause is None:
                self._pause = Pause()
            await self._pause

    def interrupt(self, problem: BaseException) -> None:
        """Whoever waits for more of the body is told this instead."""
        self._problem = problem
        self.wake()

    def take_part(self, part: bytes) -> None:
        """The next bytes of the body; the connection wakes who waits for them."""
        if not self.done:
            self._parts.append(part)

    def wake(self) -> None:
        """Runs on whoever waits for the body."""
        if self._pause is not None:
            self._pause.resume()

    def leave(self) -> None:
        """The client has left."""
        self.gone = True
        if self.on_gone is not None:
            self.on_gone()
        self.wake()

    def _take(self) -> bytes:
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)
