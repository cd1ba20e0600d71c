"""Load: closed-loop calls, or open streams, over raw asyncio. `python -m bench.load URL …` prints one JSON line.

Every answer is checked - status, length, number of events - so that a fast wrong answer is not taken for a good one;
what is wrong is counted as an error. `--once` opens each stream once and prints a line `open` when all have begun.
`--against URL …` calls in turn, one at a time, and gives latencies for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from urllib.parse import SplitResult, urlsplit

import uvloop

PATH = "/v1/chat/completions"
MARK = b"data: {"
LAST_CHUNK = b"0\r\n\r\n"
DRAIN_S = 90.0


def chat_request(url: SplitResult, options: argparse.Namespace) -> bytes:
    """The bytes of an ordinary chat request as an SDK sends it."""
    message = {"role": "user", "content": ""}
    body = {"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "You are brief."}, message]}
    if options.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    bare = len(json.dumps(body, separators=(",", ":")))
    message["content"] = "w" * max(1, options.body_bytes - bare)
    text = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {url.path or PATH} HTTP/1.1\r\nhost: {url.netloc}\r\naccept: application/json\r\n"
        f"accept-encoding: identity\r\ncontent-type: application/json\r\nuser-agent: OpenAI/Python 3.54.0\r\n"
        f"x-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\nx-stainless-os: Linux\r\n"
        f"x-stainless-retry-count: 0\r\nauthorization: Bearer {options.key}\r\ncontent-length: {len(text)}\r\n"
    )
    if options.gateway_key:
        head += f"x-tollhouse-key: {options.gateway_key}\r\n"
    if options.labels:
        head += "x-tollhouse-team: search\r\nx-tollhouse-feature: bench\r\n"
    if options.stream:
        head += f"x-bench-events: {options.events}\r\nx-bench-pace-ms: {options.pace_ms}\r\n"
    return head.encode() + b"\r\n" + text


class Client(asyncio.Protocol):
    """One connection: calls in a closed loop, or streams one after the other."""

    def __init__(self, request: bytes, run: Run) -> None:
        self.request = request
        self.run = run
        self.buffer = b""
        self.needed = 0
        self.events = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.run.pending += 1
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self.run.stream:
            self.stream_data(data)
        else:
            self.call_data(data)

    def call_data(self, data: bytes) -> None:
        self.buffer += data
        if not self.needed:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self.buffer.lower().find(b"content-length: ")
            length = int(self.buffer[at + 16 : self.buffer.find(b"\r\n", at + 16)]) if at >= 0 else 0
            if not self.buffer.startswith(b"HTTP/1.1 200") or length != self.run.answer_bytes:
                self.run.fail(self.buffer[:300])
            self.needed = end + 4 + length
        if len(self.buffer) >= self.needed:
            if len(self.buffer) > self.needed:
                self.run.fail(b"more than was declared")
            self.run.latencies.append(time.perf_counter() - self.began)
            self.buffer, self.needed = b"", 0
            self.finish()

    def stream_data(self, data: bytes) -> None:
        if not self.needed:
            if not data.startswith(b"HTTP/1.1 200"):
                self.run.fail(data[:300])
            self.needed = 1
            self.run.begun += 1
        known = self.buffer + data
        # What is kept is one byte less than a mark, so that none is counted twice.
        self.events += known.count(MARK)
        self.buffer = known[-len(MARK) + 1 :]
        if known.endswith(LAST_CHUNK):
            if self.events != self.run.events:
                self.run.fail(b"%d events" % self.events)
            self.run.events_seen += self.events
            self.buffer, self.needed, self.events = b"", 0, 0
            self.finish()

    def finish(self) -> None:
        self.run.pending -= 1
        self.run.done += 1
        if self.run.waits:
            self.run.answered.set()
            return
        if self.run.running:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.run.running or self.needed or self.buffer:
            self.run.pending -= 1
            self.run.fail(b"connection lost")


class Run:
    """Counts of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.running = not options.once
        self.waits: bool = options.alternate
        """For whoever says when the next call is made."""
        self.answered = asyncio.Event()
        self.stream: bool = options.stream
        self.answer_bytes: int = options.answer_bytes
        self.events: int = options.events + 1
        """And one with the usage."""
        self.latencies: list[float] = []
        self.events_seen = 0
        self.begun = self.done = self.pending = 0
        self.errors: list[str] = []

    def fail(self, what: bytes) -> None:
        self.errors.append(what.decode("latin-1"))


async def drive(options: argparse.Namespace) -> dict[str, object]:
    """Runs the load for its time, waits for what is under way, and returns the counts."""
    url = urlsplit(options.urls[0])
    run = Run(options)
    request = chat_request(url, options)
    loop = asyncio.get_running_loop()
    for _ in range(options.connections):
        await loop.create_connection(lambda: Client(request, run), url.hostname, url.port)
    began = time.perf_counter()
    if options.once:
        while run.begun < options.connections and not run.errors:
            await asyncio.sleep(0.05)
        print("open", flush=True)
    else:
        await asyncio.sleep(options.seconds)
    elapsed, done = time.perf_counter() - began, run.done
    run.running = False
    give_up = time.perf_counter() + DRAIN_S + options.events * options.pace_ms / 1000
    while run.pending > 0 and time.perf_counter() < give_up:
        await asyncio.sleep(0.05)
    if run.pending > 0:
        run.fail(b"%d unanswered" % run.pending)
    return {
        "per_s": done / elapsed,
        "done": run.done,
        "events": run.events_seen,
        "stream_s": time.perf_counter() - began,
        "errors": len(run.errors),
        "first_errors": run.errors[:3],
        **quantiles(run.latencies),
    }


async def alternate(options: argparse.Namespace) -> dict[str, object]:
    """One call at a time, the addresses in turn."""
    runs: list[tuple[Run, Client]] = []
    loop = asyncio.get_running_loop()
    for address in options.urls:
        url = urlsplit(address)
        run = Run(options)
        request = chat_request(url, options)
        _, client = await loop.create_connection(
            lambda request=request, run=run: Client(request, run), url.hostname, url.port
        )
        runs.append((run, client))
    await asyncio.sleep(0.3)
    until = time.perf_counter() + options.seconds
    while time.perf_counter() < until:
        for run, client in runs:
            # Sleeps while it waits: a busy core would keep the provider beside it from answering.
            run.answered.clear()
            client.send()
            try:
                await asyncio.wait_for(run.answered.wait(), 5)
            except TimeoutError:
                run.fail(b"unanswered")
    errors = [error for run, _ in runs for error in run.errors]
    return {
        "errors": len(errors),
        "first_errors": errors[:3],
        "targets": [{"done": len(run.latencies), **quantiles(run.latencies[20:])} for run, _ in runs],
    }


def quantiles(latencies: list[float]) -> dict[str, float]:
    """Median and 99th percentile in ms."""
    sample = sorted(latencies) or [0.0]
    return {"p50_ms": statistics.median(sample) * 1000, "p99_ms": sample[int(len(sample) * 0.99)] * 1000}


def main() -> None:
    """Entry: one line of JSON on standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--key", default="sk-bench-client")
    parser.add_argument("--gateway-key", default="")
    parser.add_argument("--labels", action="store_true")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--pace-ms", type=int, default=10)
    parser.add_argument("--body-bytes", type=int, default=400)
    parser.add_argument("--answer-bytes", type=int, required=True)
    parser.add_argument("--alternate", action="store_true")
    options = parser.parse_args()
    print(json.dumps(uvloop.run(alternate(options) if options.alternate else drive(options))))


if __name__ == "__main__":
    sys.exit(main())
