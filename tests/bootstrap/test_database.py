"""The worker's way into the ledger: one transaction at a time, over a connection that comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from bookings import closed, payload
from tollhouse.bootstrap.database import LedgerGate
from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.storage.postgres import DatabaseUrls

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gate(database: DatabaseUrls) -> AsyncIterator[LedgerGate]:
    """Of a migrated database."""
    gate = LedgerGate(database.gateway)
    yield gate
    await gate.close()


def backends(database: DatabaseUrls, superuser: str, what: str) -> list[int]:
    """The gateway role's connections to the database, by `pid` or `pg_terminate_backend(pid)`."""
    name = psycopg.conninfo.conninfo_to_dict(database.gateway)["user"]
    with psycopg.connect(superuser) as connection:
        rows = connection.execute(f"SELECT {what} FROM pg_stat_activity WHERE usename = %s".encode(), (name,))
        return [row[0] for row in rows.fetchall()]


@pytest.fixture
def superuser(postgres_cluster: object) -> str:
    """Who may end others' connections."""
    return str(postgres_cluster.server.superuser_dsn())  # type: ignore[attr-defined]


async def test_calls_are_booked_over_one_connection(gate: LedgerGate, database: DatabaseUrls, superuser: str) -> None:
    """Also where several ask at once; the answer is how many were new."""
    first = closed()
    booked = await asyncio.gather(*(gate.settle(payload(first, closed())) for _ in range(5)))
    assert sum(booked) == 6
    assert len(backends(database, superuser, "pid")) == 1


async def test_it_connects_again_after_a_failure(gate: LedgerGate, database: DatabaseUrls, superuser: str) -> None:
    """Who was using it is told; the next use finds a new connection."""
    assert await gate.settle(payload(closed())) == 1
    backends(database, superuser, "pg_terminate_backend(pid, 5000)")
    call = closed()
    with pytest.raises(StorageError, match="cannot be reached or gave up"):
        await gate.settle(payload(call))
    assert await gate.settle(payload(call)) == 1


async def test_a_row_that_is_refused_is_told_from_an_outage(
    gate: LedgerGate, database: DatabaseUrls, superuser: str
) -> None:
    """Sending it again is of no use; the connection is well and stays."""
    await gate.settle(payload(closed()))
    known = backends(database, superuser, "pid")
    with pytest.raises(BatchRejectedError, match="TH001"):
        await gate.settle(payload(closed(outcome="vanished")))
    assert await gate.settle(payload(closed())) == 1
    assert backends(database, superuser, "pid") == known


async def test_a_statement_that_is_given_up_does_not_spoil_the_next(gate: LedgerGate, database: DatabaseUrls) -> None:
    """A cancelled statement leaves a connection in a state that nobody knows: it is not used again."""
    call = closed()
    with psycopg.connect(database.owner) as blocker:
        blocker.execute("LOCK TABLE th.calls IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await gate.settle(payload(call))
    assert await gate.settle(payload(call)) in (0, 1), "0 where the first was still booked"
    with psycopg.connect(database.owner) as connection:
        assert connection.execute("SELECT count(*) FROM th.calls").fetchone() == (1,)


async def test_partitions_are_made_ahead(gate: LedgerGate, database: DatabaseUrls) -> None:
    """So that no call of the next months falls into the one for all the rest."""
    await gate.ensure_partitions()
    with psycopg.connect(database.owner) as connection:
        found = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'th.calls'::regclass"
        ).fetchall()
    today = datetime.now(UTC)
    ahead = [divmod(today.year * 12 + today.month - 1 + months, 12) for months in range(4)]
    assert {f"th.calls_{year}{month + 1:02}" for year, month in ahead} <= {row[0] for row in found}


async def test_an_absent_database_is_told(gate: LedgerGate) -> None:
    """By each use, and closing needs no database."""
    absent = LedgerGate("host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=2")
    with pytest.raises(StorageError, match="connecting to the database"):
        await absent.settle(b"[]")
    with pytest.raises(StorageError, match="connecting to the database"):
        await absent.ensure_partitions()
    await absent.close()
    await gate.settle(payload(closed()))
    await gate.close()
    await gate.close()
