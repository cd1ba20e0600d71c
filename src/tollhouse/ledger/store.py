"""The ledger in PostgreSQL: closed calls go in by `settle_batch`, and are read one tenant at a time.

Rules: `settle_batch` takes the journal's bytes as they are and runs on a gateway connection; the reads run inside
`storage.postgres.tenant_transaction`, and bind the tenant as well. Rows become frozen records.
Never: changes or deletes a call; builds SQL from strings.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg.rows import dict_row

from tollhouse.kernel.ids import CallId, TenantId, started_at
from tollhouse.storage.postgres import AsyncConnection, RecordRejectedError, load_statements, translated

SPEND_LABELS: tuple[str, ...] = (
    *("team", "app", "feature", "customer", "customer_tier", "environment", "cost_center"),
    *("provider", "model", "key_id", "operation", "price_status"),
)
"""What spend can be broken down by."""
BUCKET = timedelta(minutes=15)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
PAGE_ROWS_MAX = 1000
TAIL_OVERLAP = timedelta(seconds=10)
SPEND_ROWS_MAX = 10_000
LAST_ID = CallId("f" * 32)

_statements = load_statements("tollhouse.ledger")


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the ledger: `CallClosed` with its start as a moment, and when the database took it.

    The JSON columns are kept as text: `msgspec.json.decode` reads the ones that a caller needs.
    """

    call_id: CallId
    tenant_id: TenantId
    started_at: datetime
    recorded_at: datetime
    key_id: str | None
    dialect: str
    operation: str
    provider: str | None
    requested_model: str | None
    model: str | None
    streaming: bool
    credential_mode: str | None
    credential_ref: str | None
    team: str | None
    app: str | None
    feature: str | None
    customer: str | None
    customer_tier: str | None
    environment: str | None
    cost_center: str | None
    session_id: str | None
    trace_id: str | None
    prompt_template: str | None
    request_bytes: int
    response_bytes: int
    snapshot_version: int
    price_book_version: str | None
    worker: str | None
    hold_nano_usd: int | None
    holds: str
    outcome: str
    status: int | None
    provider_status: int | None
    error_code: str | None
    latency_ms: int
    ttft_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    units: str
    fees: str
    raw_usage: str | None
    usage_source: str
    flags: tuple[str, ...]
    service_tier: str | None
    cost_nano_usd: int | None
    price_status: str
    price_id: str | None
    charge_lines: str
    provider_request_id: str | None
    provider_response_id: str | None
    attempts: int
    cache_hit: bool
    routed: bool


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one combination of the labels asked for; the others are None, '' means that nobody said.

    `cost_nano_usd` leaves `unpriced_calls` out, whose cost is not known.
    """

    team: str | None
    app: str | None
    feature: str | None
    customer: str | None
    customer_tier: str | None
    environment: str | None
    cost_center: str | None
    provider: str | None
    model: str | None
    key_id: str | None
    operation: str | None
    price_status: str | None
    calls: int
    unpriced_calls: int
    estimated_calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_nano_usd: int
    latency_ms: int
    """Sum over the calls."""


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls: a half-open period of their starts, and exact values; None leaves a field open."""

    since: datetime = EPOCH
    until: datetime = END_OF_TIME
    team: str | None = None
    app: str | None = None
    feature: str | None = None
    customer: str | None = None
    customer_tier: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    provider: str | None = None
    model: str | None = None
    key_id: str | None = None
    outcome: str | None = None
    price_status: str | None = None


ANY_CALL = CallFilter()


async def settle_batch(connection: AsyncConnection, payload: bytes) -> int:
    """Book a JSON array of `CallClosed`; how many were new. On an autocommit connection it is a transaction of its own.

    All or nothing. RecordRejectedError: one record cannot be booked - halve the batch until it stands alone, and put it
    aside. Any other StorageError: send the same bytes again later; what had been booked is not booked twice.
    """
    with translated("booking calls"):
        try:
            text = payload.decode()
        except UnicodeDecodeError as error:
            raise RecordRejectedError("booking calls: the batch is not UTF-8") from error
        cursor = await connection.execute(_statements["settle_batch"], {"payload": text})
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def ensure_partitions(connection: AsyncConnection, since: datetime, until: datetime) -> int:
    """Make the months that [since, until) touches, at most five years; how many were made."""
    with translated("making partitions"):
        cursor = await connection.execute(_statements["ensure_partitions"], {"since": since, "until": until})
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def list_calls(
    connection: AsyncConnection,
    tenant_id: TenantId,
    where: CallFilter = ANY_CALL,
    *,
    before: CallId | None = None,
    limit: int = 100,
) -> list[CallRow]:
    """A page of calls, newest first; the next page is `before` the last one's id. At most PAGE_ROWS_MAX."""
    values = msgspec.structs.asdict(where) | {
        "tenant_id": tenant_id,
        "before_started_at": END_OF_TIME if before is None else started_at(before),
        "before_call_id": LAST_ID if before is None else before,
        "limit": min(limit, PAGE_ROWS_MAX),
    }
    return [_call_row(row) for row in await _fetch(connection, "list_calls", values)]


async def get_call(connection: AsyncConnection, tenant_id: TenantId, call_id: CallId) -> CallRow | None:
    """One call, or None: another tenant's call is as unknown as one that never was."""
    values = {"tenant_id": tenant_id, "call_id": call_id, "started_at": started_at(call_id)}
    rows = await _fetch(connection, "get_call", values)
    return _call_row(rows[0]) if rows else None


async def tail_calls(
    connection: AsyncConnection,
    tenant_id: TenantId,
    since: datetime,
    *,
    seen: Collection[CallId] = (),
    limit: int = 100,
) -> list[CallRow]:
    """Calls recorded at `since` or later in the order of recording, without the `seen`.

    A batch commits some moments after its rows were stamped, so rows may turn up behind newer ones: ask again from
    TAIL_OVERLAP before the newest row, with the ids seen from there on.
    """
    values = {"tenant_id": tenant_id, "since": since, "seen": list(seen), "limit": min(limit, PAGE_ROWS_MAX)}
    return [_call_row(row) for row in await _fetch(connection, "tail_calls", values)]


async def sum_spend(
    connection: AsyncConnection, tenant_id: TenantId, by: Collection[str], since: datetime, until: datetime
) -> list[SpendRow]:
    """Spend over the half-open period by any of SPEND_LABELS, dearest first; ValueError for another label.

    No labels: one row, or none if there was no call. At most SPEND_ROWS_MAX rows.
    """
    unknown = sorted(set(by) - set(SPEND_LABELS))
    if unknown:
        raise ValueError(f"spend is not kept by {', '.join(unknown)}: choose from {', '.join(SPEND_LABELS)}")
    whole_since, whole_until = whole_buckets(since, until)
    values = {"tenant_id": tenant_id, "by": list(by), "since": since, "until": until, "limit": SPEND_ROWS_MAX}
    values |= {"whole_since": whole_since, "whole_until": whole_until}
    return [SpendRow(**row) for row in await _fetch(connection, "sum_spend", values)]


def whole_buckets(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The whole quarters of an hour within [since, until); (until, until) if there are none."""
    first = since + (EPOCH - since) % BUCKET
    last = until - (until - EPOCH) % BUCKET
    return (first, last) if first < last else (until, until)


async def _fetch(connection: AsyncConnection, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with translated("reading the ledger"):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_statements[name], values)
            return await cursor.fetchall()


def _call_row(row: dict[str, Any]) -> CallRow:
    row["call_id"] = CallId(row["call_id"].hex)
    row["tenant_id"] = TenantId(str(row["tenant_id"]))
    row["started_at"] = row["started_at"].astimezone(UTC)
    row["recorded_at"] = row["recorded_at"].astimezone(UTC)
    row["flags"] = tuple(row["flags"])
    return CallRow(**row)
