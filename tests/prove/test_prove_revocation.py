"""Proof: a key that was revoked opens nothing within a second, on any worker."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asking import ask
from figures import FULL, Figures
from gateway_keys import make_gateway_key, revoke_gateway_key
from provider import Provider
from stack import Stack
from tollhouse.identity.keys import show_once

pytestmark = pytest.mark.prove

WORKERS = 3
REVOCATIONS = 60 if FULL else 4
WITHIN_S = 1.0


class Line:
    """A connection that is kept, and so stays with the worker that took it. A request leaves in one piece: one that is
    refused while its body is on the way costs its connection."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host = address.netloc
        self._socket = socket.create_connection((address.hostname or "", address.port or 80), timeout=10)

    def call(self, key: str) -> tuple[int, str]:
        """Status and request id."""
        asked = ask("openai_chat", "Hello", most=5)
        fields = {**asked.headers, "authorization": f"Bearer {key}", "host": self._host}
        fields["content-length"] = str(len(asked.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"POST {asked.path} HTTP/1.1\r\n{head}\r\n".encode() + asked.body)
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        answer.read()
        assert not answer.will_close, "the next call would be another worker's"
        return answer.status, answer.headers["x-tollhouse-request-id"]


@pytest.fixture
def stack(place: Path) -> Iterator[Stack]:
    with Provider() as provider:
        stack = Stack(place, workers=WORKERS, environment=provider.environment())
        try:
            yield stack.start()
        finally:
            stack.stop()


def test_a_revoked_key_is_refused_within_a_second(stack: Stack, figures: Figures) -> None:
    """Over kept connections to every worker: each accepts the key until it is revoked, refuses it with 401 within a
    second of the revocation, and never accepts it again."""
    lines = _lines_to_every_worker(stack)
    delays: list[float] = []
    for _ in range(REVOCATIONS):
        key = make_gateway_key(stack)
        text = show_once(key)
        stack.until(lambda text=text: all(line.call(text)[0] == 200 for line in lines), 5.0)
        revoke_gateway_key(stack, key)
        delays.append(_seconds_until_refused(lines, text))
    assert max(delays) <= WITHIN_S
    figures.note("revocations", REVOCATIONS)
    figures.note("workers, each over a connection of its own", WORKERS)
    figures.note("until the last worker refused: median", f"{sorted(delays)[len(delays) // 2] * 1000:.0f} ms")
    figures.note("until the last worker refused: longest", f"{max(delays) * 1000:.0f} ms")


def _lines_to_every_worker(stack: Stack) -> list[Line]:
    """One line to each; which worker took it, its first call's row says."""
    found: dict[str, Line] = {}
    for _ in range(20):
        lines = [Line(stack.gateway_url) for _ in range(10)]
        taken = {line.call(stack.own_key)[1].removeprefix("req_"): line for line in lines}
        rows = stack.until(lambda taken=taken: _rows_of(stack, set(taken)))
        found |= {str(row["worker"]): taken[row["call_id"]] for row in rows}
        if len(found) == WORKERS:
            return list(found.values())
    raise AssertionError("not every worker takes connections")


def _rows_of(stack: Stack, calls: set[str]) -> list[dict[str, object]]:
    rows = [row for row in stack.calls() if row["call_id"] in calls]
    return rows if len(rows) == len(calls) else []


def _seconds_until_refused(lines: list[Line], key: str) -> float:
    began_s = time.monotonic()
    open_lines = list(lines)
    while open_lines:
        open_lines = [line for line in open_lines if line.call(key)[0] != 401]
        assert time.monotonic() - began_s < 10.0, "a worker goes on accepting the key"
    took_s = time.monotonic() - began_s
    assert {line.call(key)[0] for line in lines} == {401}, "a worker accepts it again"
    return took_s
