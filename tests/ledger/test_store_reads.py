"""Reads of the ledger on the real engine: pages, filters, tails and sums, each within one tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bookings import NOON, OTHER_TENANT, closed, rng, settle
from tollhouse.kernel.ids import DEFAULT_TENANT, CallId
from tollhouse.ledger.store import (
    EPOCH,
    CallFilter,
    get_call,
    list_calls,
    sum_spend,
    tail_calls,
    whole_buckets,
)
from tollhouse.storage.postgres import DatabaseUrls, single_tenant_transaction

pytestmark = pytest.mark.anyio


async def test_pages_go_through_all_calls_once(database: DatabaseUrls) -> None:
    """Newest first; calls of the same millisecond are told apart by their ids."""
    calls = [closed(NOON + timedelta(milliseconds=number // 3)) for number in range(10)]
    await settle(database, *calls)
    seen: list[CallId] = []
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        while page := await list_calls(connection, DEFAULT_TENANT, before=seen[-1] if seen else None, limit=4):
            seen += [row.call_id for row in page]
    assert seen == sorted((call.call_id for call in calls), reverse=True)


async def test_filters_combine(database: DatabaseUrls) -> None:
    """A half-open period and exact labels."""
    inside = closed(NOON, team="ml", model="gpt-5")
    await settle(
        database,
        inside,
        closed(NOON, team="web", model="gpt-5"),
        closed(NOON, team="ml", model="o9"),
        closed(NOON + timedelta(hours=1), team="ml", model="gpt-5"),
    )
    where = CallFilter(since=NOON, until=NOON + timedelta(hours=1), team="ml", model="gpt-5")
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        rows = await list_calls(connection, DEFAULT_TENANT, where)
    assert [row.call_id for row in rows] == [inside.call_id]


async def test_tail_gives_what_was_recorded_since_then(database: DatabaseUrls) -> None:
    """In the order of recording, whatever the calls' own times; what was seen is not given again."""
    await settle(database, closed())
    late = closed(NOON - timedelta(days=3))
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        first = await tail_calls(connection, DEFAULT_TENANT, EPOCH)
        await settle(database, late)
        again = await tail_calls(connection, DEFAULT_TENANT, first[-1].recorded_at, seen=[row.call_id for row in first])
    assert [row.call_id for row in again] == [late.call_id]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (timedelta(0), timedelta(hours=2)),
        (timedelta(minutes=7), timedelta(minutes=68)),
        (timedelta(minutes=16), timedelta(minutes=29)),
        (timedelta(minutes=20), timedelta(minutes=40)),
        (timedelta(minutes=50), timedelta(minutes=10)),
    ],
)
async def test_spend_is_exact_for_any_period(database: DatabaseUrls, since: timedelta, until: timedelta) -> None:
    """Rollups for whole quarters of an hour and calls for the edges add up to what the calls say."""
    calls = [
        closed(NOON + timedelta(minutes=minute), team=rng.choice(["ml", None]), cost_nano_usd=1 << (minute % 40))
        for minute in range(0, 120, 3)
    ]
    await settle(database, *calls)
    expected: dict[str, int] = {}
    for call in calls:
        if NOON + since <= datetime.fromtimestamp(call.started_ms / 1000, UTC) < NOON + until:
            expected[call.team or ""] = expected.get(call.team or "", 0) + (call.cost_nano_usd or 0)
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        rows = await sum_spend(connection, DEFAULT_TENANT, ["team"], NOON + since, NOON + until)
    assert {row.team: row.cost_nano_usd for row in rows} == expected


async def test_spend_counts_what_it_cannot_price(database: DatabaseUrls) -> None:
    """Unpriced, estimated and failed calls are counted beside the sum; labels not asked for are None."""
    await settle(
        database,
        closed(model="a", input_tokens=5),
        closed(model="b", cost_nano_usd=None, price_status="unpriced", usage_source="partial"),
        closed(model="b", cost_nano_usd=0, outcome="provider_error", latency_ms=40),
    )
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        (row,) = await sum_spend(connection, DEFAULT_TENANT, [], NOON, NOON + timedelta(minutes=15))
    assert (row.calls, row.unpriced_calls, row.estimated_calls, row.errors) == (3, 1, 1, 1)
    assert (row.cost_nano_usd, row.input_tokens, row.latency_ms, row.model) == (100, 5, 40, None)


async def test_spend_by_a_label_that_is_not_kept_is_refused(database: DatabaseUrls) -> None:
    """Sessions are not in the rollups."""
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        with pytest.raises(ValueError, match="session_id"):
            await sum_spend(connection, DEFAULT_TENANT, ["session_id"], NOON, NOON)


async def test_another_tenants_calls_are_as_unknown_as_none(database: DatabaseUrls) -> None:
    """In a transaction of one tenant, asking for the other's rows finds nothing - even by the other's own id."""
    theirs = closed(tenant_id=OTHER_TENANT)
    await settle(database, theirs)
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        for tenant in (DEFAULT_TENANT, OTHER_TENANT):
            assert await get_call(connection, tenant, theirs.call_id) is None
            assert await list_calls(connection, tenant) == []
            assert await tail_calls(connection, tenant, EPOCH) == []
            assert await sum_spend(connection, tenant, [], EPOCH, NOON + timedelta(days=1)) == []
    async with single_tenant_transaction(database.app, OTHER_TENANT) as connection:
        assert await get_call(connection, OTHER_TENANT, theirs.call_id) is not None


def test_whole_buckets_lie_within_the_period() -> None:
    """Ceiling of the start, floor of the end."""
    minute = timedelta(minutes=1)
    assert whole_buckets(NOON, NOON + 15 * minute) == (NOON, NOON + 15 * minute)
    assert whole_buckets(NOON + minute, NOON + 31 * minute) == (NOON + 15 * minute, NOON + 30 * minute)
    assert whole_buckets(NOON + minute, NOON + 29 * minute) == (NOON + 29 * minute, NOON + 29 * minute)
