"""How many calls a second `th.settle_batch` books, with windows, leases, entries and rollups in place.

Runs by itself on a temporary embedded database with production settings (fsync and synchronous commit on):
`python bench/settle_batch.py [--batch 500] [--calls 20000] [--runs 5] [--writers 1]`. Each call is held in two windows
with a lease each and carries one of 50 label combinations. Prints calls per second, median over the runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId, call_id
from tollhouse.ledger.model import CallClosed, WindowHold
from tollhouse.ledger.store import settle_batch
from tollhouse.storage.embedded import EmbeddedPostgres
from tollhouse.storage.migrate import migrate
from tollhouse.storage.postgres import DatabaseUrls, connect
from tollhouse.storage.secret_file import load_secret

COMBINATIONS = 50
MODELS = ("gpt-5.2", "claude-sonnet-4-6", "gemini-3-pro", "gpt-5.2-mini")


def main() -> None:
    """Entry of the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--writers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as directory:
        server = EmbeddedPostgres(Path(directory) / "data")
        owner_dsn = server.start()
        try:
            urls, _ = migrate(owner_dsn, load_secret(server.data_dir))
            lend(urls, options.writers)
            runs = [asyncio.run(measure(urls, options, run)) for run in range(options.runs)]
        finally:
            server.stop()
    rates, costs = [rate for rate, _ in runs], [cost for _, cost in runs]
    median = statistics.median(rates)
    print(
        f"settle_batch: {median:,.0f} calls/s, {statistics.median(costs):.0f} µs of database CPU a call "
        f"(median of {options.runs} runs of {options.calls} calls, batches of {options.batch}, "
        f"{options.writers} writer(s); {min(rates):,.0f} to {max(rates):,.0f})"
    )


def lend(urls: DatabaseUrls, writers: int) -> None:
    """Two windows, and for each writer a lease in each that never runs dry."""
    with psycopg.connect(urls.owner) as connection:
        for window in ("month", "team-day"):
            connection.execute(
                "INSERT INTO th.budget_windows (tenant_id, window_id, limit_nano_usd, leased_nano_usd)"
                " VALUES (%s, %s, %s, %s)",
                (DEFAULT_TENANT, window, 10**17, writers * 10**15),
            )
            for writer in range(writers):
                connection.execute(
                    "INSERT INTO th.leases"
                    " (tenant_id, lease_id, window_id, epoch, granted_nano_usd, worker, expires_at)"
                    " VALUES (%s, %s, %s, 1, %s, 'bench', now() + interval '1 day')",
                    (DEFAULT_TENANT, f"{window}-{writer}", window, 10**15),
                )


async def measure(urls: DatabaseUrls, options: argparse.Namespace, run: int) -> tuple[float, float]:
    """Calls per second, and CPU µs per call of the writers' backends.

    Encoding is done before the clock starts, as the journal has done it already.
    """
    rng = random.Random(run)
    share = options.calls // options.writers
    batches = [make_batches(rng, writer, share, options.batch) for writer in range(options.writers)]
    connections = [await connect(urls.gateway, autocommit=True) for _ in range(options.writers)]
    pids = [connection.info.backend_pid for connection in connections]
    spent_s, begun = cpu_s(pids), time.perf_counter()
    booked = await asyncio.gather(*(ship(*pair) for pair in zip(connections, batches, strict=True)))
    elapsed_s = time.perf_counter() - begun
    spent_s = cpu_s(pids) - spent_s
    for connection in connections:
        await connection.close()
    assert sum(booked) == share * options.writers
    return sum(booked) / elapsed_s, spent_s / sum(booked) * 1e6


def cpu_s(pids: list[int]) -> float:
    """User and system time of processes so far; 0 where there is no /proc."""
    ticks = 0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


async def ship(connection: psycopg.AsyncConnection, batches: list[bytes]) -> int:  # type: ignore[type-arg]
    """Books one writer's batches in turn; how many calls were new."""
    return sum([await settle_batch(connection, batch) for batch in batches])


def make_batches(rng: random.Random, writer: int, calls: int, batch: int) -> list[bytes]:
    """One writer's calls as the journal has them: rows in JSON, so many a batch."""
    encoded = [msgspec.json.encode(make_call(rng, writer, number)) for number in range(calls)]
    return [b"[" + b",".join(encoded[at : at + batch]) + b"]" for at in range(0, calls, batch)]


def make_call(rng: random.Random, writer: int, number: int) -> CallClosed:
    """A call with all that a call commonly has."""
    combination = rng.randrange(COMBINATIONS)
    model = MODELS[combination % len(MODELS)]
    input_tokens, output_tokens = rng.randrange(50, 5000), rng.randrange(10, 2000)
    cost = input_tokens * 1750 + output_tokens * 14000
    holds = tuple(WindowHold(window_id=name, lease_id=f"{name}-{writer}", epoch=1) for name in ("month", "team-day"))
    return CallClosed(
        requested_model=model,
        model=f"{model}-2026-08-01",
        streaming=combination % 2 == 0,
        hold_nano_usd=cost * 3,
        holds=holds,
        cost_nano_usd=cost,
        **CONSTANT,
        **_identity(rng, int(time.time() * 1000) + number // 10),
        **_labels(combination),
        **_metering(input_tokens, output_tokens),
        **_sizes(rng),
    )


CONSTANT: dict[str, Any] = {
    "tenant_id": DEFAULT_TENANT,
    "key_id": KeyId("k3yA0b1C2d3E"),
    "dialect": "openai_chat",
    "operation": "chat",
    "provider": "openai",
    "credential_mode": "vault",
    "credential_ref": "openai:4f2a9c1d",
    "snapshot_version": 17,
    "price_book_version": "2026-11-01.3",
    "worker": "gateway-1",
    "outcome": "completed",
    "status": 200,
    "provider_status": 200,
    "usage_source": "reported",
    "service_tier": "default",
    "price_status": "priced",
    "price_id": "openai/gpt-5.2/standard/2026-08-01",
    "attempts": 1,
}


def _identity(rng: random.Random, started_ms: int) -> dict[str, Any]:
    return {
        "call_id": call_id(started_ms, rng.randbytes(10)),
        "started_ms": started_ms,
        "session_id": f"session-{rng.randrange(10**9)}",
        "trace_id": f"{rng.getrandbits(128):032x}",
        "provider_request_id": f"req_{rng.getrandbits(96):024x}",
        "provider_response_id": f"chatcmpl-{rng.getrandbits(96):024x}",
    }


def _labels(combination: int) -> dict[str, Any]:
    return {
        "team": f"team-{combination % 5}",
        "app": f"app-{combination % 10}",
        "feature": f"feature-{combination}",
        "customer": f"customer-{combination % 25}",
        "environment": "production",
    }


def _metering(tokens_in: int, tokens_out: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "cache_read_tokens": 0,
        "reasoning_tokens": tokens_out // 2,
        "units": {"input": tokens_in, "output": tokens_out},
        "raw_usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in},
        "charge_lines": (
            {"unit": "input", "quantity": tokens_in, "rate_nano_usd": 1_750_000_000, "cost_nano_usd": tokens_in},
            {"unit": "output", "quantity": tokens_out, "rate_nano_usd": 14_000_000_000, "cost_nano_usd": 1},
        ),
    }


def _sizes(rng: random.Random) -> dict[str, Any]:
    return {
        "request_bytes": rng.randrange(400, 20_000),
        "response_bytes": rng.randrange(400, 20_000),
        "latency_ms": rng.randrange(200, 20_000),
        "ttft_ms": rng.randrange(100, 2000),
    }


if __name__ == "__main__":
    main()
