"""Proof: without room for the journal no call is made, none that is open is lost, and work goes on once there is room.

Two ways to take the room away. `full disk`: the journals lie on a small file system of their own that is filled up; it
takes the right to mount. `nothing can be written`: the workers' limit on the size of files is lowered, so that neither
journal nor log nor metrics take another byte, as on a disk that holds all of them.
"""

from __future__ import annotations

import concurrent.futures
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from asking import STREAMED, Asked, ask, key_header
from figures import FULL, Figures
from provider import Provider
from stack import Stack
from witness import account_in_full, gauges, readiness

pytestmark = pytest.mark.prove

STREAMS = 40 if FULL else 10
REFUSALS = 400 if FULL else 40
DISK_BYTES = 12 << 20


class Room(Protocol):
    """What can be taken away and given back."""

    def take(self) -> None: ...

    def give_back(self) -> None: ...


class SmallDisk:
    """A file system for the journals alone, with a file that fills it."""

    def __init__(self, journals: Path) -> None:
        self._ballast = journals / "ballast"

    def take(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def give_back(self) -> None:
        self._ballast.unlink()


class FileSizes:
    """The limit on the size of files of all workers."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def take(self) -> None:
        self._limit(1)

    def give_back(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for pid in self._pids:
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size if most == resource.RLIM_INFINITY else most, most))


def _can_mount() -> bool:
    done = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return done.returncode == 0


WAYS = ("full disk", "nothing can be written") if _can_mount() else ("nothing can be written",)


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_without_room_refuses_and_recovers(place: Path, figures: Figures, way: str) -> None:
    """Calls are refused with 503 `unavailable` before the provider is asked, `/readyz` says 503, the streams that were
    open end whole and are recorded, and when there is room again all is well without a restart."""
    with Provider() as provider, _disk(place / "data" / "journal", way) as disk:
        # One worker: what it frees of its reserve for its closings would be room for another one's calls.
        stack = Stack(place, workers=1, environment=provider.environment()).start()
        try:
            workers = stack.worker_pids()
            room = disk or FileSizes(workers)
            with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool, httpx.Client(timeout=30) as client:
                begun = threading.Semaphore(0)
                streams = [pool.submit(_stream, stack, number, begun) for number in range(STREAMS)]
                assert all(begun.acquire(timeout=30) for _ in streams)
                room.take()
                unready_s = _seconds_until_readiness_is(503, stack)
                known = provider.received()
                answers = [_call(client, stack, f"r{number}") for number in range(REFUSALS)]
                asked = provider.received() - known
                stack.until(lambda: gauges(stack.gateway_url)["tollhouse_ready"] == 0, 5.0)
                ends = [stream.result() for stream in streams]
            still = readiness(stack.gateway_url)
            room.give_back()
            ready_s = _seconds_until_readiness_is(200, stack)
            with httpx.Client(timeout=30) as client:
                after = [_call(client, stack, f"a{number}").status_code for number in range(20)]
            found = account_in_full(stack, provider.bills(), 10.0)
            assert stack.worker_pids() == workers
        finally:
            stack.stop()
    assert {(answer.status_code, '"unavailable"' in answer.text) for answer in answers} == {(503, True)}
    assert asked == 0, "the provider was asked although the call could not be recorded"
    assert still == 503
    assert ends == [True] * STREAMS
    assert after == [200] * 20
    assert (found.missing, found.doubles, found.differing) == (set(), set(), [])
    figures.note("calls refused with 503 `unavailable`", len(answers))
    figures.note("requests that reached the provider meanwhile", asked)
    figures.note("streams open when the room went, all whole and recorded as billed", STREAMS)
    figures.note("unready within, ready again within", f"{unready_s:.1f} s, {ready_s:.1f} s")


@contextmanager
def _disk(journals: Path, way: str) -> Iterator[Room | None]:
    if way != "full disk":
        yield None
        return
    journals.mkdir(mode=0o700, parents=True)
    options = f"size={DISK_BYTES},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(journals)], check=True)
    try:
        yield SmallDisk(journals)
    finally:
        subprocess.run(["umount", str(journals)], check=True)


def _stream(stack: Stack, number: int, begun: threading.Semaphore) -> bool:
    """Whether it came to its end."""
    headers, asked = _request(stack, f"s{number}", STREAMED[number % len(STREAMED)], stream=True)
    headers["x-simulate"] = "pace_ms=100; output_tokens=50; chunks=50"
    size = 0
    with httpx.stream(
        "POST", stack.gateway_url + asked.path, headers=headers, content=asked.body, timeout=60
    ) as answer:
        for part in answer.iter_raw():
            if not size:
                begun.release()
            size += len(part)
    return answer.status_code == 200 and size > 0


def _call(client: httpx.Client, stack: Stack, name: str) -> httpx.Response:
    headers, asked = _request(stack, name, "openai_chat", stream=False)
    return client.post(stack.gateway_url + asked.path, headers=headers, content=asked.body)


def _request(stack: Stack, name: str, dialect: str, *, stream: bool) -> tuple[dict[str, str], Asked]:
    asked = ask(dialect, f"Question {name}", stream=stream, most=200)
    key = dict([key_header(dialect, stack.own_key)])
    return {**asked.headers, **key, "x-correlation": name, "x-tollhouse-trace-id": name}, asked


def _seconds_until_readiness_is(status: int, stack: Stack) -> float:
    """Until `/readyz` said so."""
    began_s = time.monotonic()
    while readiness(stack.gateway_url) != status:
        assert time.monotonic() - began_s < 15.0, f"readiness does not come to {status}"
        time.sleep(0.02)
    return time.monotonic() - began_s
