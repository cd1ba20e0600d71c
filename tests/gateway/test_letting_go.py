"""What a call leaves in memory when it has ended: nothing, at once, also where it ended with an error."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from clients import Client
from tollhouse.gateway.dialing import Dialer
from tollhouse.gateway.pipeline import corridor
from tollhouse.gateway.request import Request
from tollhouse.gateway.running import Running
from tollhouse.gateway.upstream import Connection, ConnectionPool, UpstreamRequest
from tollhouse.kernel.errors import ProviderTimeoutError
from tollhouse.routing.model import Provider
from tollhouse.settings import Limits

pytestmark = pytest.mark.anyio

PROVIDER = Provider(name="p", kind="openai", scheme="http", host="127.0.0.1", port=80, allow_private=True)


class Unreachable:
    """Stands for a plane on which nothing can be asked for, so that a call ends with a fault of ours."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self.metrics = self

    def count(self, name: str, *_: object) -> None:
        """What the corridor counts of a refusal."""
        self.counted.append(name)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the collector, so that whatever stands in a circle of references stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    """How many there are."""
    return sum(type(one) is kind for one in gc.get_objects())


def ended_by(error: BaseException) -> None:
    """One request that ends with this error while its body is read."""
    client = Client(Limits())
    client.send(b"POST /v1/a HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-passed\r\ncontent-length: 5\r\n\r\nab")
    request = client.request

    async def read() -> None:
        try:
            while True:
                await request.read()
        except LookupError:
            pass

    request.running = Running(read())
    request.running.step()
    request.interrupt(error)
    client.leave()
    # As the corridor does at its end; the client is in a circle of its own with the edge that it feeds.
    client.edge.let_go()
    client.requests.clear()


async def test_a_request_that_was_interrupted_is_let_go(uncollected: None) -> None:
    """Its head may hold a key that was only passed through."""
    before = alive(Request)
    ended_by(LookupError())
    assert alive(Request) == before


async def test_the_corridor_lets_go_of_a_request_whose_client_left(uncollected: None) -> None:
    """However it ended: the connection that is gone does not keep it."""
    before = alive(Request)
    plane: Any = Unreachable()
    client = Client(Limits())
    client.send(b"POST /v1/a HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-passed\r\ncontent-length: 5\r\n\r\nab")
    client.leave()
    Running(corridor(plane, client.requests.pop())).step()
    assert (plane.counted, client.edge.active, alive(Request)) == (["tollhouse_refusals"], None, before)


class Held:
    """Stands for whatever a call has in hand."""

    def __init__(self, contents: list[object]) -> None:
        self.contents = contents


async def test_a_provider_that_fails_leaves_nothing_of_the_call(uncollected: None) -> None:
    """Neither the error nor what its traceback leads to is kept by the connection."""
    pool = ConnectionPool(Dialer(connect_timeout_s=1.0), idle_max=2, idle_timeout_s=10.0, buffer_bytes_max=100)
    connection = Connection(pool, PROVIDER, 100)
    connection.connection_made(Client(Limits()).transport)

    async def call(held: Held) -> None:
        try:
            await connection.exchange(UpstreamRequest(head=b"", body=b""))
        except ProviderTimeoutError:
            connection.release()

    Running(call(Held([]))).step()
    assert alive(Held) == 1
    connection.expire(ProviderTimeoutError("late"))
    assert alive(Held) == 0
