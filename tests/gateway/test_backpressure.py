"""Clients that read slowly or not at all, and enormous lines: memory is bounded, and nobody else suffers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dialogue import billed_nano_usd, chat, messages
from plain_http import Answer, Wire, exchange
from stack import Stack
from traces import bills_of, marked, new_trace, rows_of

MIB = 1024 * 1024
LINE_BYTES = 5_000_000
READERS = 20


@contextmanager
def peak_growth(stack: Stack, most_bytes: int) -> Iterator[None]:
    """Fails if the worker's resident memory ever grows by more than this meanwhile."""
    process = Path(f"/proc/{stack.worker_pids()[0]}")
    # Resets the high-water mark.
    (process / "clear_refs").write_text("5")
    before = status_bytes(process, "VmRSS")
    yield
    grown = status_bytes(process, "VmHWM") - before
    assert grown <= most_bytes, f"grew by {grown / MIB:.1f} MiB"


def status_bytes(process: Path, name: str) -> int:
    """A figure of the process's status."""
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def test_a_line_of_five_megabytes_passes(stack: Stack) -> None:
    """Whole, in both dialects, without being kept more than a few times over."""
    asks = {new_trace(): chat(True), new_trace(): messages(True)}
    for trace, ask in asks.items():
        simulate = f"chunks=4; fault=huge_line:{LINE_BYTES}"
        with peak_growth(stack, 8 * LINE_BYTES):
            answer = asyncio.run(
                exchange(stack.gateway_url, ask.written(stack.key, simulate=simulate, **marked(trace)))
            )
        assert answer.ended and b"x" * LINE_BYTES in answer.body
    for row in rows_of(stack, list(asks)).values():
        assert (row["outcome"], row["usage_source"]) == ("completed", "reported")


def test_a_client_that_stops_reading_stops_the_provider(stack: Stack) -> None:
    """Neither kept nor read on meanwhile; after the idle deadline the client is cut, and the rest is drained."""
    trace = new_trace()
    simulate = "chunks=4000; chunk_bytes=10000; output_tokens=4000"

    def generated() -> dict[str, Any]:
        return bills_of(stack, [trace])[trace]

    async def stall() -> tuple[Answer, list[dict[str, Any]]]:
        async with Wire(stack.gateway_url, receive_buffer_bytes=4096) as wire:
            await wire.send(chat(True).written(stack.key, simulate=simulate, **marked(trace)))
            await wire.read(until=lambda answer: bool(answer.body))
            await asyncio.sleep(1.0)
            seen = [await asyncio.to_thread(generated)]
            await asyncio.sleep(0.5)
            seen.append(await asyncio.to_thread(generated))
            await asyncio.sleep(2.0)
            return await rest_of(wire), seen

    with peak_growth(stack, 16 * MIB):
        (answer, seen), row = asyncio.run(stall()), rows_of(stack, [trace])[trace]
    assert seen[0]["output_tokens"] == seen[1]["output_tokens"] < 4000 and not seen[1]["finished"]
    assert answer.closed and not answer.ended
    assert (row["outcome"], row["usage_source"], row["output_tokens"]) == ("client_gone", "reported", 4000)
    assert row["cost_nano_usd"] == billed_nano_usd("openai", generated())
    assert row["response_bytes"] < 40_000_000


async def rest_of(wire: Wire) -> Answer:
    """What the connection still holds: the middle of a body, so that only its end is of interest."""
    answer = Answer()
    answer.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    async with asyncio.timeout(10):
        while data := await wire.receive():
            answer.feed(data)
    answer.closed = True
    return answer


def test_slow_readers_hurt_nobody(stack: Stack) -> None:
    """Twenty that read steadily but slowly get all they asked for, while others are answered at once."""
    simulate = "chunks=300; chunk_bytes=10000; output_tokens=300"
    traces = [new_trace() for _ in range(READERS)]

    async def slow(trace: str) -> Answer:
        answer = Answer()
        async with Wire(stack.gateway_url, receive_buffer_bytes=65536) as wire:
            await wire.send(messages(True).written(stack.key, simulate=simulate, **marked(trace)))
            while not answer.ended and (data := await wire.receive()):
                answer.feed(data)
                await asyncio.sleep(0.03)
        return answer

    async def quick() -> float:
        begun = time.monotonic()
        answer = await exchange(stack.gateway_url, chat().written(stack.key))
        assert answer.status == 200
        await asyncio.sleep(0.05)
        return time.monotonic() - begun

    async def together() -> tuple[list[Answer], list[float]]:
        readers = [asyncio.create_task(slow(trace)) for trace in traces]
        await asyncio.sleep(0.3)
        took: list[float] = []
        while not all(reader.done() for reader in readers) and len(took) < 20:
            took.append(await quick())
        assert len(took) >= 3, "the readers were not slow"
        return await asyncio.gather(*readers), took

    with peak_growth(stack, 48 * MIB):
        answers, took = asyncio.run(together())
    assert all(answer.ended and len(answer.body) > 3_000_000 for answer in answers)
    assert sorted(took)[len(took) // 2] < 1.0
    rows = rows_of(stack, traces)
    assert {(row["outcome"], row["usage_source"], row["output_tokens"]) for row in rows.values()} == {
        ("completed", "reported", 300)
    }
