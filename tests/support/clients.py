"""A client's connection without sockets: bytes are fed to the gateway's protocol, and what it would send is kept."""

from __future__ import annotations

import asyncio

from tollhouse.gateway.edge import EdgeProtocol, Serve, listen
from tollhouse.gateway.request import Request
from tollhouse.settings import Limits


class FakeTransport(asyncio.Transport):
    """Remembers what was asked of it; after `close` nothing reaches the other end any more."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.aborted = False
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.writes += 1

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Client:
    """One client, connected. `requests` are those that were served so far, in their order; none answers by itself."""

    def __init__(self, limits: Limits, serve: Serve | None = None) -> None:
        self.requests: list[Request] = []
        self._then = serve
        factory, _ = listen(self._serve, limits)
        self.edge: EdgeProtocol = factory()
        self.transport = FakeTransport()
        self.edge.connection_made(self.transport)

    def send(self, *pieces: bytes) -> None:
        """Each piece arrives by itself."""
        for piece in pieces:
            self.edge.data_received(piece)

    def leave(self) -> None:
        """The connection is gone."""
        self.edge.connection_lost(None)

    @property
    def request(self) -> Request:
        """The one that was served last."""
        return self.requests[-1]

    @property
    def received(self) -> bytes:
        """All that the gateway has sent."""
        return self.transport.written

    @property
    def answers(self) -> int:
        """How many answers began."""
        return self.received.count(b"HTTP/1.1 ")

    def _serve(self, request: Request) -> None:
        self.requests.append(request)
        if self._then is not None:
            self._then(request)


def answer(request: Request) -> None:
    """A small whole answer."""
    request.edge.whole(200, b"", b"ok")


def numbered(number: int) -> bytes:
    """A request that can be told from others."""
    return b"POST /%d HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n%d" % (number, number)


def now_s() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()
