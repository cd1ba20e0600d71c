"""Plain HTTP: a client that hides nothing - it says how an answer ended, leaves when it is told to, and reads as slowly
as it is told to. Libraries retry, decode and complete; tests of the gateway's edges must not.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httptools

PATIENCE_S = 20.0


class Answer:
    """What came back. `status` 0: no head came; `ended`: it came to its proper end; `closed`: the peer hung up."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.ended = False
        self.closed = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def request_id(self) -> str:
        """The call's id as the head says it; '' if it says none."""
        return self.headers.get("x-tollhouse-request-id", "")

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(bytes(self.body))

    def feed(self, data: bytes) -> None:
        """The next bytes from the wire."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.status, self.headers = 0, {}

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ended = self.status != 0


Until = Callable[[Answer], bool]


def written(method: str, path: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request's bytes; the length of a body is added, nothing else."""
    fields = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if body:
        fields.append(("content-length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Wire:
    """One connection to the gateway; `async with`."""

    def __init__(self, url: str, *, receive_buffer_bytes: int | None = None) -> None:
        self._address = (url.rsplit("/", 1)[1].split(":")[0], int(url.rsplit(":", 1)[1]))
        self._receive_buffer_bytes = receive_buffer_bytes
        self._socket = socket.socket()

    async def __aenter__(self) -> Wire:
        if self._receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        self._socket.setblocking(False)
        await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> bool:
        """Writes; False if the gateway hung up before it had taken all."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError:
            return False
        return True

    async def receive(self) -> bytes:
        """The next bytes; b'' once the gateway has hung up."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        except OSError:
            return b""

    async def read(self, until: Until | None = None, timeout_s: float = PATIENCE_S) -> Answer:
        """One answer, to its end, to the connection's, or until told; TimeoutError if none of these comes in time."""
        answer = Answer()
        async with asyncio.timeout(timeout_s):
            while not answer.ended and not (until is not None and answer.status and until(answer)):
                data = await self.receive()
                if not data:
                    answer.closed = True
                    break
                answer.feed(data)
        return answer


async def exchange(url: str, request: bytes, until: Until | None = None, timeout_s: float = PATIENCE_S) -> Answer:
    """One request over a connection of its own; `until` says when the client leaves, by default at the end."""
    async with Wire(url) as wire:
        await wire.send(request)
        return await wire.read(until, timeout_s)
