"""Bookings: made-up calls for the tests of the ledger's store, and how they get into it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId, call_id
from tollhouse.ledger.model import CallClosed
from tollhouse.ledger.store import settle_batch
from tollhouse.storage.postgres import DatabaseUrls, connect

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OTHER_TENANT = TenantId("00000000-0000-7000-8000-0000000000ff")
rng = random.Random(7)


def closed(at: datetime = NOON, **changes: Any) -> CallClosed:
    """A completed call of the default tenant that cost 100 nano-USD, unless told otherwise."""
    started_ms = int(at.timestamp() * 1000)
    values: dict[str, Any] = {
        "call_id": call_id(started_ms, rng.randbytes(10)),
        "tenant_id": DEFAULT_TENANT,
        "started_ms": started_ms,
        "outcome": "completed",
        "cost_nano_usd": 100,
        "price_status": "priced",
        "usage_source": "reported",
    }
    return CallClosed(**(values | changes))


def payload(*calls: CallClosed) -> bytes:
    """A batch as the journal has it."""
    return msgspec.json.encode(calls)


async def settle(database: DatabaseUrls, *calls: CallClosed) -> int:
    """Books a batch as a worker does; how many of its calls were new."""
    async with await connect(database.gateway, autocommit=True) as connection:
        return await settle_batch(connection, payload(*calls))
