"""Wire: the connection an answer goes out on, down to the rude things that ASGI alone cannot do.

Shell. uvicorn's protocol is taught to put its transport and the header names as they were spelt into the scope, so
that an answer can end in a reset or a bare close.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT = "tollhouse.transport"
SPELT_HEADERS = "tollhouse.headers"
CYCLE = "tollhouse.cycle"

FLUSH_PAUSE_S = 0.01
"""Long enough for what was written to leave before the connection is reset."""


class SimulatorProtocol(HttpToolsProtocol):
    """HTTP/1.1 that lets the application reach the transport."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._spelt: list[tuple[bytes, bytes]] = []
        scope = cast(Scope, self.scope)
        scope[TRANSPORT] = self.transport
        scope[SPELT_HEADERS] = self._spelt

    def on_headers_complete(self) -> None:
        scope = cast(Scope, self.scope)
        super().on_headers_complete()
        scope[CYCLE] = self.cycle

    def on_header(self, name: bytes, value: bytes) -> None:
        self._spelt.append((name, value))
        super().on_header(name, value)


class Wire:
    """One answer's way out. After `reset`, `close` or `stall` nothing more may be sent."""

    __slots__ = ("_cycle", "_receive", "_send", "_transport")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope[TRANSPORT]
        self._cycle: RequestResponseCycle = scope[CYCLE]
        self._receive = receive
        self._send = send

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        return self._transport.is_closing()

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """A whole answer whose headers have its length.

        In the ordinary case it leaves in one write, without the checks that uvicorn makes on headers it does not know:
        a third of a small answer's cost, which a benchmark's upstream should not have.
        """
        cycle = self._cycle
        if cycle.flow.write_paused or not cycle.keep_alive or cycle.scope["method"] == "HEAD" or self.gone:
            await self.head(status, headers)
            await self.end(body)
            return
        lines = [name + b": " + value for name, value in (*cycle.default_headers, *headers)]
        self._transport.write(STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
        cycle.response_started = True
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status line and headers; without a content-length the body is chunked."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, data: bytes) -> None:
        """The next bytes of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last bytes of the body and its proper end."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def reset(self) -> None:
        """Lets go what was written, then breaks the connection with a TCP reset."""
        await asyncio.sleep(FLUSH_PAUSE_S)
        held = self._transport.get_extra_info("socket")
        if held is not None and not self.gone:
            # A connection that its peer has broken already needs no reset.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(held.fileno())) as twin:
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self._gone()

    async def close(self) -> None:
        """Lets go what was written, then closes the connection without ending the body."""
        self._transport.close()
        await self._gone()

    async def stall(self) -> None:
        """Sends nothing more until the client hangs up."""
        await self._gone()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
