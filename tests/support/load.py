"""Load: clients that call without pause, streaming and not, at all paces, and take whatever happens to them.

They run on an event loop in a thread of their own, so that a test can kill things meanwhile. Every call has an identity
of its own, which the provider sees in `X-Correlation` and the ledger as the label `trace_id`; none is ever repeated.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Self

import httpx
import msgspec

from asking import STREAMED, ask, key_header

LAST_WORDS = (b"data: [DONE]", b"message_stop", b"response.completed", b"finishReason")


class Attempted(msgspec.Struct, frozen=True, kw_only=True):
    """One call as its client saw it. `status` is None where no answer began; `whole`: it came to its proper end."""

    correlation: str
    dialect: str
    stream: bool
    status: int | None
    whole: bool
    code: str | None
    began_s: float
    ended_s: float


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what is asked of the simulated provider."""

    latency_ms_max: int = 250
    pace_ms_max: int = 40
    output_tokens_max: int = 60
    leaving: float = 0.04
    """The part of the streams that their clients leave half-way."""


class Load:
    """A context: inside it the clients call; leaving it waits until all have come to an end."""

    def __init__(self, url: str, key: str, *, clients: int = 24, seed: int = 1, pace: Pace | None = None) -> None:
        self.attempts: list[Attempted] = []
        self._url, self._key = url, key
        self._clients, self._pace = clients, pace or Pace()
        self._random = random.Random(seed)
        self._name = f"{seed:x}-{time.time_ns() & 0xFFFFFFFF:x}"
        self._number = 0
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self, timeout_s: float = 120.0) -> None:
        """No new calls; returns when the running ones have ended."""
        self._stopping = True
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "a client hangs"

    def answered(self) -> int:
        """Calls that were answered with success so far."""
        return sum(attempt.status == 200 for attempt in self.attempts)

    def refused(self) -> list[Attempted]:
        """Calls that were answered with anything else."""
        return [attempt for attempt in self.attempts if attempt.status not in (None, 200)]

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        while not self._stopping:
            # A fresh one now and then, so that every worker has its share of the connections.
            async with httpx.AsyncClient(base_url=self._url, timeout=90.0) as client:
                for _ in range(self._random.randint(1, 8)):
                    if self._stopping:
                        return
                    self.attempts.append(attempt := await self._call(client))
                    if attempt.status is None:
                        await asyncio.sleep(0.02)
                        break

    async def _call(self, client: httpx.AsyncClient) -> Attempted:
        chance, pace = self._random, self._pace
        self._number += 1
        correlation = f"c{self._name}-{self._number}"
        dialect, stream = chance.choice(STREAMED), chance.random() < 0.6
        asked = ask(dialect, f"Question {correlation}", stream=stream, most=chance.choice((None, 64, 200)))
        headers = {
            **asked.headers,
            **dict([key_header(dialect, self._key)]),
            "x-correlation": correlation,
            "x-tollhouse-trace-id": correlation,
            "x-simulate": f"latency_ms={chance.randint(0, pace.latency_ms_max)}; "
            f"pace_ms={chance.randint(0, pace.pace_ms_max)}; output_tokens={chance.randint(1, pace.output_tokens_max)}",
        }
        leaves = stream and chance.random() < pace.leaving
        began_s, status, tail, whole = time.monotonic(), None, b"", False
        try:
            async with client.stream("POST", asked.path, headers=headers, content=asked.body) as answer:
                status = answer.status_code
                async for part in answer.aiter_raw():
                    tail = (tail + part)[-2_000:]
                    if leaves:
                        break
                whole = not leaves and (not stream or any(word in tail for word in LAST_WORDS))
        except httpx.HTTPError:
            whole = False
        return Attempted(
            correlation=correlation,
            dialect=dialect,
            stream=stream,
            status=status,
            whole=whole,
            code=_code(tail) if status not in (None, 200) else None,
            began_s=began_s,
            ended_s=time.monotonic(),
        )


def _code(body: bytes) -> str:
    """The house's code in a refusal of any dialect."""
    for code in ("unavailable", "internal", "provider_unreachable", "provider_timeout", "unauthenticated"):
        if f'"{code}"'.encode() in body:
            return code
    return body[:200].decode("latin-1")
