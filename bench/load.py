"""Load: closed-loop calls, or open streams, over raw asyncio. `python -m bench.load URL …` prints one JSON line.

Checks every answer's status and length, so that a fast wrong answer is not taken for a good one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from urllib.parse import urlsplit

import uvloop


def chat_request(host: str, path: str, key: str, *, stream: bool, body_bytes: int) -> bytes:
    """The bytes of an ordinary chat request as an SDK sends it."""
    message = {"role": "user", "content": ""}
    body = {"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "You are brief."}, message]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    bare = len(json.dumps(body, separators=(",", ":")))
    message["content"] = "w" * max(1, body_bytes - bare)
    text = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\naccept-encoding: identity\r\n"
        f"content-type: application/json\r\nuser-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\n"
        f"x-stainless-package-version: 3.54.0\r\nx-stainless-os: Linux\r\nx-stainless-retry-count: 0\r\n"
        f"authorization: Bearer {key}\r\nx-tollhouse-team: search\r\nx-tollhouse-feature: bench\r\n"
        f"content-length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


class Client(asyncio.Protocol):
    """One connection in a closed loop, or one stream."""

    def __init__(self, request: bytes, run: Run, *, stream: bool) -> None:
        self.request = request
        self.run = run
        self.stream = stream
        self.buffer = b""
        self.needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self.stream:
            self.stream_data(data)
        else:
            self.call_data(data)

    def call_data(self, data: bytes) -> None:
        self.buffer += data
        if not self.needed:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 200"):
                self.run.fail(self.buffer[:200])
                return
            at = self.buffer.lower().find(b"content-length: ")
            self.needed = end + 4 + int(self.buffer[at + 16 : self.buffer.find(b"\r\n", at + 16)])
        if len(self.buffer) >= self.needed:
            self.run.latencies.append(time.perf_counter() - self.began)
            self.buffer, self.needed = b"", 0
            if self.run.running:
                self.send()
            else:
                self.transport.close()

    def stream_data(self, data: bytes) -> None:
        if not self.buffer:
            if not data.startswith(b"HTTP/1.1 200"):
                self.run.fail(data[:200])
                return
            self.buffer = b"."
        self.run.events += data.count(b"data: {")
        if b"0\r\n\r\n" in data[-7:]:
            self.run.ended += 1
            self.buffer = b""
            if self.run.running:
                self.send()
            else:
                self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.closed += 1
        if self.run.running:
            self.run.fail(b"connection lost")


class Run:
    """Counts of one run."""

    def __init__(self) -> None:
        self.running = True
        self.latencies: list[float] = []
        self.events = 0
        self.ended = 0
        self.closed = 0
        self.errors: list[str] = []

    def fail(self, what: bytes) -> None:
        self.errors.append(what.decode("latin-1"))


async def drive(options: argparse.Namespace) -> dict[str, object]:
    """Runs the load for its time and returns the counts."""
    url = urlsplit(options.url)
    run = Run()
    request = chat_request(
        url.netloc, url.path or "/v1/chat/completions", options.key, stream=options.stream, body_bytes=options.body_bytes
    )
    loop = asyncio.get_running_loop()
    for _ in range(options.connections):
        await loop.create_connection(lambda: Client(request, run, stream=options.stream), url.hostname, url.port)
    began = time.perf_counter()
    await asyncio.sleep(options.seconds)
    elapsed = time.perf_counter() - began
    done, events = len(run.latencies), run.events
    run.running = False
    await asyncio.sleep(options.settle)
    sample = sorted(run.latencies) or [0.0]
    return {
        "seconds": elapsed,
        "calls": done,
        "calls_total": len(run.latencies),
        "events": events,
        "streams_ended": run.ended,
        "errors": len(run.errors),
        "first_errors": run.errors[:3],
        "p50_ms": statistics.median(sample) * 1000,
        "p99_ms": sample[int(len(sample) * 0.99)] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", default="none")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--settle", type=float, default=0.2)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--body-bytes", type=int, default=400)
    print(json.dumps(uvloop.run(drive(parser.parse_args()))))


if __name__ == "__main__":
    sys.exit(main())
