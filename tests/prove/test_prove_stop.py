"""Proof: `tollhouse up` that is told to stop finishes what it has begun, or says in the ledger that it could not."""

from __future__ import annotations

import concurrent.futures
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from asking import STREAMED, ask, key_header
from figures import FULL, Figures
from load import LAST_WORDS
from provider import Provider
from stack import Stack
from witness import Account, account_in_full

pytestmark = pytest.mark.prove

STREAMS = 64 if FULL else 16


def test_streams_end_within_the_grace_period(place: Path, figures: Figures) -> None:
    """SIGTERM while streams run: each comes to its end and is recorded as completed at what was billed; who connects
    after the order is refused."""
    with Provider() as provider:
        stack = Stack(place, workers=2, environment=provider.environment()).start()
        ends, refused, took_s = _stop_amid_streams(stack, pace_ms=40, output_tokens=50)
        found = _ledger_after(stack, provider)
    assert ends == ["whole"] * STREAMS
    assert refused, "a connection was taken after the order to stop"
    assert found.outcomes() == {"completed": STREAMS}
    assert (found.missing, found.doubles, found.differing) == (set(), set(), [])
    figures.note("streams running at SIGTERM", STREAMS)
    figures.note("of these whole, recorded, and booked as billed", STREAMS)
    figures.note("stopped within", f"{took_s:.1f} s")


def test_streams_beyond_the_grace_period_are_cut_and_recorded(place: Path, figures: Figures) -> None:
    """A stream that outlasts the grace period is broken off, visibly for its client, and booked as `gateway_stopped`,
    partial, for not less than was billed."""
    with Provider() as provider:
        environment = provider.environment() | {"TOLLHOUSE_LIMITS_GRACE_PERIOD_S": "1"}
        stack = Stack(place, workers=2, environment=environment).start()
        ends, _, took_s = _stop_amid_streams(stack, pace_ms=400, output_tokens=120)
        found = _ledger_after(stack, provider)
    assert ends == ["cut"] * STREAMS
    assert found.outcomes() == {"gateway_stopped": STREAMS}
    assert (found.missing, found.doubles) == (set(), set())
    sources = {row["usage_source"] for rows in found.rows.values() for row in rows}
    assert sources <= {"partial", "estimated"}
    assert found.booked() >= found.billed()
    figures.note("streams running at SIGTERM, all longer than the grace period of 1 s", STREAMS)
    figures.note("of these cut and recorded as `gateway_stopped`", STREAMS)
    figures.note("booked, billed", f"{found.booked() / 1e9:.6f}, {found.billed() / 1e9:.6f} USD")
    figures.note("stopped within", f"{took_s:.1f} s")


def _stop_amid_streams(stack: Stack, *, pace_ms: int, output_tokens: int) -> tuple[list[str], bool, float]:
    """How each stream ended, whether a late connection was refused, and how long the stop took."""
    begun = threading.Semaphore(0)
    url, key = stack.gateway_url, stack.own_key
    with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        simulate = f"pace_ms={pace_ms}; output_tokens={output_tokens}"
        streams = [pool.submit(_stream, url, key, number, simulate, begun) for number in range(STREAMS)]
        for _ in range(STREAMS):
            assert begun.acquire(timeout=30)
        began_s = time.monotonic()
        stopper = threading.Thread(target=stack.stop)
        stopper.start()
        refused = _is_refused_soon(url)
        stopper.join()
        took_s = time.monotonic() - began_s
        return [stream.result() for stream in streams], refused, took_s


def _stream(url: str, key: str, number: int, simulate: str, begun: threading.Semaphore) -> str:
    dialect = STREAMED[number % len(STREAMED)]
    asked = ask(dialect, f"Question {number}", stream=True, most=200)
    headers = {
        **asked.headers,
        **dict([key_header(dialect, key)]),
        "x-correlation": f"s{number}",
        "x-tollhouse-trace-id": f"s{number}",
        "x-simulate": simulate,
    }
    read = b""
    try:
        with httpx.stream("POST", url + asked.path, headers=headers, content=asked.body, timeout=60) as answer:
            assert answer.status_code == 200
            for part in answer.iter_raw():
                if not read:
                    begun.release()
                read += part
    except httpx.HTTPError:
        return "cut"
    return "whole" if any(word in read for word in LAST_WORDS) else "ended without its last words"


def _is_refused_soon(url: str) -> bool:
    """Within a second of the order, while open streams still run."""
    address = urlsplit(url)
    deadline_s = time.monotonic() + 1.0
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection((address.hostname or "", address.port or 80), timeout=0.5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False


def _ledger_after(stack: Stack, provider: Provider) -> Account:
    """Read after a new start: the database stops with Tollhouse."""
    bills = provider.bills()
    stack.start()
    try:
        return account_in_full(stack, bills, 5.0)
    finally:
        stack.stop()
