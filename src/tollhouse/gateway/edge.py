"""The client's side of the gateway: uvicorn's HTTP/1.1 protocol with bounds on the request head.

uvicorn puts no limit on how long a head is or how long it takes; here it is at most `head_bytes_max` and
`head_fields_max`, within `head_timeout_s`, watched by the worker's one sweeper. It also tells the corridor at once when
the client leaves, without a task per call that waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tollhouse.settings import Limits

SCOPE_KEY = "tollhouse.edge"
"""Where the application finds the protocol of its request in the ASGI scope."""


class EdgeProtocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(self, config: Config, server_state: ServerState, limits: Limits) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._limits = limits
        self.on_gone: Callable[[], None] | None = None
        self.head_since_s: float | None = None
        self.head_too_long = False
        self._in_head = True
        self._head_bytes = 0
        self._head_fields = 0

    @property
    def gone(self) -> bool:
        """Whether the client of the current request has left."""
        return bool(self.cycle.disconnected)

    @property
    def blocked(self) -> bool:
        """Whether the client reads slower than we write."""
        return bool(self.flow.write_paused)

    def abort(self) -> None:
        """Ends the connection without waiting for the client to read."""
        self.transport.abort()

    def expire_head(self, now_s: float) -> None:
        """Ends the connection when its request head has taken too long."""
        if self.head_since_s is not None and now_s - self.head_since_s > self._limits.head_timeout_s:
            self.head_since_s = None
            self.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.head_since_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.head_since_s = None
        super().connection_lost(exc)
        if self.on_gone is not None:
            self.on_gone()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and self.parser is not None:
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self._limits.head_bytes_max and not self.transport.is_closing():
                self.send_400_response("the request head is too long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._head_fields = 0
        self.head_too_long = False
        if self.head_since_s is None:
            self.head_since_s = self.loop.time()
        self.scope[SCOPE_KEY] = self  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_fields += 1
        self._count(len(name) + len(value) + 4)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes_max or self._head_fields > self._limits.head_fields_max:
            self.head_too_long = True

    def on_headers_complete(self) -> None:
        self._in_head = False
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


def listen(app: Any, limits: Limits) -> tuple[Callable[[], EdgeProtocol], ServerState]:
    """A protocol factory for `loop.create_server`, and the state that holds its open connections."""
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
    return (lambda: EdgeProtocol(config, state, limits)), state
