"""The paths that need no key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from plain_http import Answer, exchange, written
from stack import Stack
from tollhouse.gateway.app import security_txt


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


def test_whom_to_tell_of_a_weakness(stack: Stack) -> None:
    """As RFC 9116 has it, to everybody who asks."""
    answer = get(stack, "/.well-known/security.txt")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    lines = dict(line.split(": ", 1) for line in answer.body.decode().splitlines())
    assert lines["Contact"] == "mailto:security@example.com"
    left = datetime.fromisoformat(lines["Expires"]) - datetime.now(UTC)
    assert 360 < left.days < 365


@pytest.mark.parametrize("contact", ["https://example.com/report", "mailto:a@b.example", "tel:+1-201-555-0123"])
def test_a_contact_that_is_an_address_is_named_as_it_is(contact: str) -> None:
    """Only a bare mail address gets its scheme."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert security_txt(contact, now).splitlines()[:2] == [f"Contact: {contact}", "Expires: 2027-02-28T12:00:00Z"]
