"""The operator's three paths."""

from __future__ import annotations

import asyncio

from plain_http import Answer, exchange, written
from stack import Stack


def get(stack: Stack, path: str) -> Answer:
    """A plain GET, without a key."""
    return asyncio.run(exchange(stack.gateway_url, written("GET", path, {})))


def test_a_worker_that_records_calls_is_alive_and_ready(stack: Stack) -> None:
    """Nobody needs a key to ask."""
    assert (get(stack, "/healthz").status, get(stack, "/healthz").json) == (200, {"status": "ok"})
    assert get(stack, "/readyz").json == {"status": "ready", "troubles": []}


def test_metrics_are_prometheus_text(stack: Stack) -> None:
    """With help and type, and without anything that a caller said."""
    answer = get(stack, "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"# TYPE tollhouse_calls" in answer.body and b"tollhouse_ready" in answer.body
