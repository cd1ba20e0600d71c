"""Several workspaces read as one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tollhouse.bootstrap.reach import merge_spend, open_reach
from tollhouse.identity.store import create_workspace
from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId, call_id
from tollhouse.ledger.model import CallClosed
from tollhouse.ledger.store import ANY_CALL, SpendRow, settle_batch
from tollhouse.storage.postgres import DatabaseUrls, connect

pytestmark = pytest.mark.anyio

OTHER = TenantId("00000000-0000-7000-8000-000000000002")
BEGAN_MS = 1_790_000_000_000


def call(number: int, tenant: TenantId) -> CallClosed:
    """The `number`th call, a millisecond after the one before."""
    began_ms = BEGAN_MS + number
    ident = call_id(began_ms, number.to_bytes(10, "big"))
    return CallClosed(call_id=ident, tenant_id=tenant, started_ms=began_ms, outcome="completed", cost_nano_usd=number)


@pytest.fixture
async def booked(database: DatabaseUrls) -> list[CallClosed]:
    """Some more calls than a page has, in turn over two workspaces."""
    await create_workspace(database.owner, OTHER, "other")
    calls = [call(number, OTHER if number % 4 == 0 else DEFAULT_TENANT) for number in range(1400)]
    async with await connect(database.gateway, autocommit=True) as connection:
        await settle_batch(connection, msgspec.json.encode(calls))
    return calls


async def test_pages_and_workspaces_are_merged(database: DatabaseUrls, booked: list[CallClosed]) -> None:
    """Newest first, without a gap and without a double."""
    newest = [one.call_id for one in reversed(booked)]
    async with open_reach(database, None) as reach:
        assert [row.call_id for row in await reach.newest(ANY_CALL, 2000)] == newest
        assert [row.call_id for row in await reach.newest(ANY_CALL, 5)] == newest[:5]


async def test_find_and_choose(database: DatabaseUrls, booked: list[CallClosed]) -> None:
    """A call is found wherever it is, but not outside of the workspace that was chosen."""
    others, ours = booked[0].call_id, booked[1].call_id
    async with open_reach(database, None) as reach:
        found = await reach.find(others)
        assert found is not None and found.tenant_id == OTHER
    for chosen in ("other", OTHER):
        async with open_reach(database, chosen) as reach:
            assert await reach.find(ours) is None
            assert await reach.find(others) is not None


async def test_unknown_workspace(database: DatabaseUrls) -> None:
    """Is refused before anything is read."""
    with pytest.raises(ConfigError, match="there is no workspace 'nowhere'"):
        async with open_reach(database, "nowhere"):
            pass


async def test_follow_tells_each_call_once(database: DatabaseUrls, booked: list[CallClosed]) -> None:
    """From a moment on: what was there at the beginning, then what is new, nothing twice."""
    async with open_reach(database, None) as reach:
        begin = min([row.recorded_at for row in await reach.newest(ANY_CALL, 2000)])
        told: list[Any] = []
        async for row in reach.follow(begin):
            told.append(row.call_id)
            if len(told) == len(booked):
                async with await connect(database.gateway, autocommit=True) as connection:
                    await settle_batch(connection, msgspec.json.encode([call(5000, OTHER)]))
            if len(told) > len(booked):
                break
    assert len(set(told)) == len(told)
    assert told[-1] == call(5000, OTHER).call_id


def spend(**fields: Any) -> SpendRow:
    """Sums of one call that cost one nano-dollar."""
    facts: dict[str, Any] = dict.fromkeys(SpendRow.__struct_fields__)
    sums = {name: 0 for name in SpendRow.__struct_fields__ if name.endswith(("calls", "errors", "tokens", "ms", "usd"))}
    return SpendRow(**(facts | sums | {"calls": 1, "cost_nano_usd": 1} | fields))


async def test_spend_is_merged_by_all_its_labels() -> None:
    """Sums of equal labels, dearest first."""
    rows = [spend(team="a"), spend(team="b", cost_nano_usd=5), spend(team="a", unpriced_calls=1), spend(team=None)]
    assert merge_spend(rows) == [
        spend(team="b", cost_nano_usd=5),
        spend(team="a", calls=2, cost_nano_usd=2, unpriced_calls=1),
        spend(team=None),
    ]
