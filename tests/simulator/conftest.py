"""Fixtures: one simulator for a test file, served on a free port, its counters reset before each test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from tollhouse.simulator.app import SimulatorApp
from tollhouse.simulator.server import serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SimulatorApp, str]]:
    """The application and its base URL."""
    app = SimulatorApp()
    with serving(app) as port:
        yield app, f"http://127.0.0.1:{port}"


@pytest.fixture
def app(running: tuple[SimulatorApp, str]) -> SimulatorApp:
    """The served application with nothing billed yet."""
    running[0].bills.reset()
    return running[0]


@pytest.fixture
def url(running: tuple[SimulatorApp, str], app: SimulatorApp) -> str:
    """The simulator's base URL, counters reset."""
    return running[1]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a bare socket heard of one answer."""

    data: bytes
    ending: str
    """`closed` (FIN), `reset` (RST) or `silent` (nothing more within the wait)."""

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


Converse = Callable[..., Heard]


@pytest.fixture
def converse(url: str) -> Converse:
    """Posts JSON over a bare socket and listens until the connection ends or `wait_s` passes without a byte."""

    def talk(path: str, payload: object, simulate: str = "", headers: str = "", wait_s: float = 0.3) -> Heard:
        body = msgspec.json.encode(payload)
        asked = f"X-Simulate: {simulate}\r\n" if simulate else ""
        request = (
            f"POST {path} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer sk-test\r\n{asked}{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=wait_s) as connection:
            connection.sendall(request.encode("latin-1") + body)
            return _listen(connection)

    return talk


def _listen(connection: socket.socket) -> Heard:
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            return Heard(data=data, ending="silent")
        except ConnectionResetError:
            return Heard(data=data, ending="reset")
        if not piece:
            return Heard(data=data, ending="closed")
        data += piece
