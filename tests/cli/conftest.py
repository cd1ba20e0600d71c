"""The program, run as a person runs it, over a real database; and calls to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tollhouse.cli import make_application
from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId, call_id
from tollhouse.ledger.model import CallClosed
from tollhouse.ledger.store import settle_batch
from tollhouse.pricing.model import ChargeLine
from tollhouse.storage.postgres import DatabaseUrls, connect

BEGAN_MS = 1_790_000_000_000
"""2026-09-21T13:33:20Z."""
PEPPER = "11" * 32

Program = Callable[..., Result]


class Ledger:
    """Books calls as the gateway does."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self._urls = urls

    def book(self, *calls: CallClosed) -> None:
        """All in one batch."""

        async def settle() -> None:
            async with await connect(self._urls.gateway, autocommit=True) as connection:
                await settle_batch(connection, msgspec.json.encode(calls))

        asyncio.run(settle())

    def call(self, number: int, tenant: TenantId = DEFAULT_TENANT, **fields: Any) -> CallClosed:
        """The `number`th call, a second after the one before; 1000 in and 100 out of gpt-4o-mini."""
        began_ms = BEGAN_MS + number * 1000
        facts: dict[str, Any] = {
            "provider": "openai",
            "requested_model": "gpt-4o-mini",
            "model": "gpt-4o-mini",
            "outcome": "completed",
            "status": 200,
            "usage_source": "reported",
            "input_tokens": 1000,
            "output_tokens": 100,
            "units": {"input": 1000, "output": 100},
            "cost_nano_usd": 210_000,
            "price_status": "priced",
            "price_id": "openai/gpt-4o-mini",
            "charge_lines": (
                ChargeLine(unit="input", quantity=1000, rate_nano_usd=150_000_000, cost_nano_usd=150_000),
                ChargeLine(unit="output", quantity=100, rate_nano_usd=600_000_000, cost_nano_usd=60_000),
            ),
            "latency_ms": 1200,
            "attempts": 1,
        }
        identity = {"call_id": call_id(began_ms, number.to_bytes(10, "big")), "started_ms": began_ms}
        return CallClosed(tenant_id=tenant, **(identity | facts | fields))


@pytest.fixture
def environment(database: DatabaseUrls, postgres_cluster: Any, tmp_path: Path) -> dict[str, str]:
    """Variables by which a command finds the test's database."""
    return {
        "DATABASE_URL": database.owner,
        "TOLLHOUSE_DATABASE_SECRET": postgres_cluster.secret.reveal().hex(),
        "TOLLHOUSE_PEPPER": PEPPER,
        "TOLLHOUSE_DATA_DIR": str(tmp_path),
    }


@pytest.fixture
def tollhouse(environment: dict[str, str]) -> Program:
    """`tollhouse(ARGUMENT, …)` over the test's database."""

    def run(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(make_application(), list(arguments))

    return run


@pytest.fixture
def bare() -> Program:
    """`bare(ARGUMENT, …)` without any database of one's own."""

    def run(*arguments: str) -> Result:
        clean = {"DATABASE_URL": None, "TOLLHOUSE_DATA_DIR": None, "TOLLHOUSE_CONFIG": None}
        return CliRunner(env=clean).invoke(make_application(), list(arguments))

    return run


@pytest.fixture
def ledger(database: DatabaseUrls) -> Ledger:
    """The test's ledger, empty."""
    return Ledger(database)
