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
    return sum([await settle_batch(connection, batch) for batch in batches])


def make_batches(rng: random.Random, writer: int, calls: int, batch: int) -> list[bytes]:
    encoded = [msgspec.json.encode(make_call(rng, writer, number)) for number in range(calls)]
    return [b"[" + b",".join(encoded[at : at + batch]) + b"]" for at in range(0, calls, batch)]


def make_call(rng: random.Random, writer: int, number: int) -> CallClosed:
    started_ms = int(time.time() * 1000) + number // 10
    combination = rng.randrange(COMBINATIONS)
    input_tokens, output_tokens = rng.randrange(50, 5000), rng.randrange(10, 2000)
    cost = input_tokens * 1750 + output_tokens * 14000
    model = MODELS[combination % len(MODELS)]
    return CallClosed(
        call_id=call_id(started_ms, rng.randbytes(10)),
        tenant_id=DEFAULT_TENANT,
        started_ms=started_ms,
        key_id=KeyId("k3yA0b1C2d3E"),
        dialect="openai_chat",
        operation="chat",
        provider="openai",
        requested_model=model,
        streaming=combination % 2 == 0,
        credential_mode="vault",
        credential_ref="openai:4f2a9c1d",
        team=f"team-{combination % 5}",
        app=f"app-{combination % 10}",
        feature=f"feature-{combination}",
        customer=f"customer-{combination % 25}",
        environment="production",
        session_id=f"session-{rng.randrange(10**9)}",
        trace_id=f"{rng.getrandbits(128):032x}",
        request_bytes=rng.randrange(400, 20_000),
        snapshot_version=17,
        price_book_version="2026-11-01.3",
        worker="gateway-1",
        hold_nano_usd=cost * 3,
        holds=tuple(
            WindowHold(window_id=window, lease_id=f"{window}-{writer}", epoch=1) for window in ("month", "team-day")
        ),
        outcome="completed",
        status=200,
        provider_status=200,
        model=f"{model}-2026-08-01",
        latency_ms=rng.randrange(200, 20_000),
        ttft_ms=rng.randrange(100, 2000),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=0,
        reasoning_tokens=output_tokens // 2,
        units={"input": input_tokens, "output": output_tokens},
        raw_usage={"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens},
        usage_source="reported",
        service_tier="default",
        cost_nano_usd=cost,
        price_status="priced",
        price_id="openai/gpt-5.2/standard/2026-08-01",
        charge_lines=(
            {"unit": "input", "quantity": input_tokens, "rate_nano_usd": 1_750_000_000, "cost_nano_usd": input_tokens},
            {"unit": "output", "quantity": output_tokens, "rate_nano_usd": 14_000_000_000, "cost_nano_usd": 1},
        ),
        provider_request_id=f"req_{rng.getrandbits(96):024x}",
        provider_response_id=f"chatcmpl-{rng.getrandbits(96):024x}",
        attempts=1,
        response_bytes=rng.randrange(400, 20_000),
    )


if __name__ == "__main__":
    main()
