"""Request: the head of one client request, as the server handed it over."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tollhouse.gateway.edge import SCOPE_KEY, TOO_LONG_KEY, EdgeProtocol
from tollhouse.kernel.ids import CallId, call_id

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


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


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`started_ms` is Unix time, `started_s` monotonic; the call id embeds the former."""

    method: str
    raw_path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    fields: Mapping[bytes, bytes]
    """The same by name, for fields that may stand once; of several the last."""
    head_too_long: bool
    edge: EdgeProtocol
    receive: Receive
    call_id: CallId
    started_ms: int
    started_s: float


def request_of(scope: Mapping[str, Any], receive: Receive, now_s: float) -> Request:
    """The request of an ASGI scope, with the call id by which everyone will know it."""
    started_ms = time.time_ns() // 1_000_000
    return Request(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"],
        headers=scope["headers"],
        fields=dict(scope["headers"]),
        head_too_long=scope[TOO_LONG_KEY],
        edge=scope[SCOPE_KEY],
        receive=receive,
        call_id=call_id(started_ms, _randomness.take()),
        started_ms=started_ms,
        started_s=now_s,
    )
