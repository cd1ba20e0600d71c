"""The wire keeps HTTP's order and framing on the short way out."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest

from tollhouse.simulator.app import SimulatorApp
from tollhouse.simulator.server import serving

KEY = {"Authorization": "Bearer k"}


@pytest.fixture
def connection(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers=KEY) as client:
        yield client


def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests sent at once on one connection get their answers in their order."""
    request = "POST /raw/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 0\r\n{}\r\n"
    with serving(SimulatorApp()) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall((request.format("one", "") + request.format("two", "Connection: close\r\n")).encode())
        data = b""
        while piece := connection.recv(65536):
            data += piece
    assert data.index(b"/raw/one") < data.index(b"/raw/two")
    assert data.count(b"HTTP/1.1 200 OK") == 2


def test_a_connection_is_used_again(connection: httpx2.Client) -> None:
    """Answers of all kinds follow each other on one connection."""
    paths = ["/raw/one", "/_simulator/health", "/raw/two", "/v1/unknown", "/raw/three"]
    answers = [connection.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 200]
    assert len({answer.extensions["network_stream"].get_extra_info("client_addr") for answer in answers}) == 1


def test_head_has_no_body(connection: httpx2.Client) -> None:
    """A HEAD request gets the length and nothing else, and the connection lives on."""
    answer = connection.head("/raw/one")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
    assert connection.get("/raw/two").status_code == 200


def test_not_modified_has_no_body(connection: httpx2.Client) -> None:
    """A simulated 304 has no body, so that the next answer is not taken for one."""
    assert connection.get("/raw/one", headers={"X-Simulate": "fault=status:304"}).status_code == 304
    assert connection.get("/raw/two").status_code == 200
