"""The live view: a line for every new call, once, also over an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from bookings import OTHER_TENANT, closed, settle
from tollhouse.bootstrap.live import follow_calls
from tollhouse.identity.store import create_workspace
from tollhouse.kernel.ids import request_id
from tollhouse.ledger.model import CallClosed
from tollhouse.storage.postgres import DatabaseUrls

pytestmark = pytest.mark.anyio


@pytest.fixture
async def said(database: DatabaseUrls) -> AsyncIterator[list[str]]:
    """The lines of a view that follows the ledger, with one call in it from before."""
    await create_workspace(database.owner, OTHER_TENANT, "other")
    await settle(database, closed())
    lines: list[str] = []
    view = asyncio.create_task(follow_calls(database, lines.append))
    await asyncio.sleep(0.5)
    yield lines
    view.cancel()
    await asyncio.gather(view, return_exceptions=True)


async def shown(said: list[str], count: int) -> list[str]:
    """The request ids of the lines, once there are so many."""
    async with asyncio.timeout(15):
        while len(said) < count:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.7)
    return [line.rsplit(" ", 1)[1] for line in said]


def ids(*calls: CallClosed) -> list[str]:
    """As lines show them."""
    return [request_id(call.call_id) for call in calls]


async def test_each_new_call_is_a_line(database: DatabaseUrls, said: list[str]) -> None:
    """Of every workspace, once, and none of those that were there before."""
    now = datetime.now(UTC)
    ours, theirs = closed(now, provider="openai"), closed(now, tenant_id=OTHER_TENANT)
    await settle(database, ours)
    assert await shown(said, 1) == ids(ours)
    await settle(database, theirs)
    assert await shown(said, 2) == ids(ours, theirs)
    assert "openai" in said[0]


async def test_an_absent_database_is_waited_for(database: DatabaseUrls, said: list[str], postgres_cluster: Any) -> None:
    """What was shown is not shown again, and what came meanwhile is not missed."""
    now = datetime.now(UTC)
    before, after = closed(now), closed(now)
    await settle(database, before)
    assert await shown(said, 1) == ids(before)
    with psycopg.connect(postgres_cluster.server.superuser_dsn(), autocommit=True) as superuser:
        name = psycopg.conninfo.conninfo_to_dict(database.app)["user"]
        superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (name,)
        ).fetchall()
    await settle(database, after)
    assert await shown(said, 2) == ids(before, after)


async def test_a_database_that_is_away_at_first_is_waited_for() -> None:
    """The view is no reason for `tollhouse up` to fail."""
    dsn = "host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=1"
    view = asyncio.create_task(follow_calls(DatabaseUrls(owner=dsn, app=dsn, gateway=dsn), print))
    await asyncio.sleep(1.5)
    assert not view.done()
    view.cancel()
    await asyncio.gather(view, return_exceptions=True)
