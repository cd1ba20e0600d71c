"""The ledger's store on the real engine: calls are booked once, and money is conserved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row

from bookings import NOON, closed, payload, rng, settle
from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.ledger.model import CallClosed, WindowHold
from tollhouse.ledger.store import (
    ensure_partitions,
    get_call,
    list_calls,
    settle_batch,
)
from tollhouse.storage.postgres import (
    AsyncConnection,
    DatabaseUrls,
    RecordRejectedError,
    connect,
    single_tenant_transaction,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def owner(database: DatabaseUrls) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(database.owner, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def add_lease(owner: psycopg.Connection[dict[str, Any]], window: str, lease: str, granted: int, epoch: int = 1) -> None:
    owner.execute(
        "INSERT INTO th.budget_windows (tenant_id, window_id, limit_nano_usd) VALUES (%s, %s, 10000)"
        " ON CONFLICT DO NOTHING",
        (DEFAULT_TENANT, window),
    )
    owner.execute(
        "INSERT INTO th.leases (tenant_id, lease_id, window_id, epoch, granted_nano_usd, worker, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, 'w', now() + interval '1 hour')",
        (DEFAULT_TENANT, lease, window, epoch, granted),
    )
    owner.execute(
        "UPDATE th.budget_windows SET leased_nano_usd = leased_nano_usd + %s WHERE window_id = %s", (granted, window)
    )


def window_of(owner: psycopg.Connection[dict[str, Any]], window: str) -> dict[str, Any]:
    row = owner.execute(
        "SELECT settled_nano_usd AS settled, overrun_nano_usd AS overrun, leased_nano_usd AS leased, calls,"
        " unpriced_calls AS unpriced FROM th.budget_windows WHERE window_id = %s",
        (window,),
    ).fetchone()
    assert row is not None
    return row


async def test_a_call_comes_back_as_it_was_booked(database: DatabaseUrls) -> None:
    """Every field of the record is a column, and reads back with its value."""
    call = closed(
        key_id="k3yA0b1C2d3E",
        team="ml",
        provider="openai",
        model="gpt-5",
        streaming=True,
        units={"input": 3},
        fees={"search": 1},
        raw_usage={"prompt_tokens": 3},
        flags=("unmetered", "usage_inconsistent"),
        holds=(WindowHold(window_id="w", lease_id=None, epoch=2),),
        charge_lines=({"unit": "input", "cost_nano_usd": 100},),
        attempts=2,
        routed=True,
        ttft_ms=12,
    )
    assert await settle(database, call) == 1
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        row = await get_call(connection, DEFAULT_TENANT, call.call_id)
    assert row is not None
    told = msgspec.structs.asdict(row)
    wanted = msgspec.json.decode(msgspec.json.encode(msgspec.structs.asdict(call)))
    wanted["started_at"] = NOON
    del wanted["started_ms"], told["recorded_at"]
    for name in ("units", "fees", "raw_usage", "holds", "charge_lines"):
        told[name] = msgspec.json.decode(told[name])
    assert told == wanted | {"flags": call.flags}


async def test_absent_fields_have_the_records_defaults(database: DatabaseUrls) -> None:
    """A field that the encoding left out is stored as its default, not as NULL."""
    call = CallClosed(
        call_id=closed().call_id, tenant_id=DEFAULT_TENANT, started_ms=1_763_640_000_000, outcome="refused"
    )
    await settle(database, call)
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        row = (await list_calls(connection, DEFAULT_TENANT))[0]
    assert (row.dialect, row.operation, row.units, row.flags) == ("raw", "raw", "{}", ())
    assert (row.usage_source, row.price_status, row.attempts, row.cost_nano_usd) == ("none", "free", 0, None)


async def test_every_field_of_the_record_is_a_column(owner: psycopg.Connection[dict[str, Any]]) -> None:
    """A field added to the record without a migration would be dropped silently by the database; not here."""
    rows = owner.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'th.calls'::regclass AND attnum > 0")
    columns = {row["attname"] for row in rows}
    assert columns == set(CallClosed.__struct_fields__) - {"started_ms"} | {"started_at", "recorded_at"}
    source = owner.execute("SELECT prosrc FROM pg_proc WHERE proname = 'insert_calls'").fetchone()
    assert source is not None
    assert [name for name in CallClosed.__struct_fields__ if f"c.{name}" not in source["prosrc"]] == []


async def test_what_is_sent_again_is_booked_once(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    """Twice in a batch, in a second batch, and in one with new calls: each call counts once everywhere."""
    add_lease(owner, "w", "l", 1000)
    holds = (WindowHold(window_id="w", lease_id="l", epoch=1),)
    first, second = closed(holds=holds), closed(holds=holds)
    assert await settle(database, first, first) == 1
    assert await settle(database, first) == 0
    assert await settle(database, second, first) == 1
    assert window_of(owner, "w") == {"settled": 200, "overrun": 0, "leased": 800, "calls": 2, "unpriced": 0}
    rollup = owner.execute("SELECT calls, cost_nano_usd FROM th.call_rollups").fetchall()
    assert rollup == [{"calls": 2, "cost_nano_usd": 200}]
    entries = owner.execute("SELECT kind, amount_nano_usd AS amount FROM th.ledger_entries").fetchall()
    assert entries == [{"kind": "settle", "amount": 100}] * 2


async def test_what_the_lease_does_not_cover_is_overrun(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    """A lease of 150 covers one call of 100 and half of the next; the bill is booked in full."""
    add_lease(owner, "w", "l", 150)
    holds = (WindowHold(window_id="w", lease_id="l", epoch=1),)
    await settle(database, *(closed(holds=holds) for _ in range(3)))
    assert window_of(owner, "w") == {"settled": 300, "overrun": 150, "leased": 0, "calls": 3, "unpriced": 0}
    entries = owner.execute(
        "SELECT kind, count(*) AS entries, sum(amount_nano_usd)::bigint AS amount FROM th.ledger_entries"
        " GROUP BY kind ORDER BY kind"
    ).fetchall()
    assert entries == [
        {"kind": "overrun", "entries": 2, "amount": 150},
        {"kind": "settle", "entries": 3, "amount": 300},
    ]
    lease = owner.execute("SELECT spent_nano_usd FROM th.leases").fetchone()
    assert lease == {"spent_nano_usd": 150}


@pytest.mark.parametrize(
    "hold",
    [
        WindowHold(window_id="w", lease_id="l", epoch=1),
        WindowHold(window_id="w", lease_id="gone", epoch=2),
        WindowHold(window_id="w", lease_id=None, epoch=0),
    ],
)
async def test_a_fenced_or_missing_lease_makes_overrun(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]], hold: WindowHold
) -> None:
    """A paused worker's old epoch spends nothing of the lease that took its place."""
    add_lease(owner, "w", "l", 1000, epoch=2)
    await settle(database, closed(holds=(hold,)))
    assert window_of(owner, "w") == {"settled": 100, "overrun": 100, "leased": 1000, "calls": 1, "unpriced": 0}


async def test_a_window_unknown_here_is_booked_too(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    """A restored database may lack the window: its spend is kept, and an unpriced call is counted as such."""
    hold = (WindowHold(window_id="lost", lease_id="l", epoch=1),)
    await settle(database, closed(holds=hold), closed(holds=hold, cost_nano_usd=None, price_status="unpriced"))
    assert window_of(owner, "lost") == {"settled": 100, "overrun": 100, "leased": 0, "calls": 2, "unpriced": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "vanished"},
        {"call_id": "not-a-uuid"},
        {"team": "a\x00b"},
        {"latency_ms": 2**63},
        {"holds": (WindowHold(window_id="w", lease_id=None, epoch=1),) * 2},
    ],
)
async def test_a_record_that_cannot_be_booked_fails_its_batch_alone(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]], changes: dict[str, Any]
) -> None:
    """Nothing of the batch is booked, the error is told apart from an outage, and the connection goes on."""
    async with await connect(database.gateway, autocommit=True) as connection:
        with pytest.raises(RecordRejectedError, match="TH001"):
            await settle_batch(connection, payload(closed(), closed(**changes)))
        assert owner.execute("SELECT count(*) AS calls FROM th.calls").fetchone() == {"calls": 0}
        assert await settle_batch(connection, payload(closed())) == 1


@pytest.mark.parametrize("nonsense", [b"{}", b"[", b"[1]", b"\xff", b"[{}]", b'["x"]'])
async def test_a_payload_that_is_no_batch_is_rejected(database: DatabaseUrls, nonsense: bytes) -> None:
    """Whatever is sent, the answer is an error of the record, never one that would be tried again for ever."""
    async with await connect(database.gateway, autocommit=True) as connection:
        with pytest.raises(RecordRejectedError):
            await settle_batch(connection, nonsense)


async def test_labels_of_the_longest_kind_are_booked(database: DatabaseUrls) -> None:
    """All labels at 128 four-byte characters would not fit an index entry; the rollup's key is their hash."""
    names = ("team", "app", "feature", "customer", "customer_tier", "environment", "cost_center")
    labels = {name: "".join(chr(rng.randrange(0x1F300, 0x1F5FF)) for _ in range(128)) for name in names}
    assert await settle(database, closed(**labels)) == 1


async def test_writers_at_once_neither_lose_nor_block_each_other(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    """Eight shippers send overlapping batches in different orders: every call is booked once."""
    for window in ("a", "b", "c"):
        add_lease(owner, window, f"l{window}", 10**6)
    calls = [
        closed(
            team=f"t{number % 7}",
            holds=tuple(WindowHold(window_id=w, lease_id=f"l{w}", epoch=1) for w in rng.sample("abc", 2)),
        )
        for number in range(300)
    ]

    async def ship(connection: AsyncConnection) -> int:
        shuffled = rng.sample(calls, len(calls))
        return sum([await settle_batch(connection, payload(*shuffled[at : at + 50])) for at in range(0, 300, 50)])

    connections = [await connect(database.gateway, autocommit=True) for _ in range(8)]
    booked = await asyncio.gather(*(ship(connection) for connection in connections))
    for connection in connections:
        await connection.close()
    assert sum(booked) == 300
    settled = owner.execute(
        "SELECT sum(settled_nano_usd)::bigint AS settled, sum(overrun_nano_usd)::bigint AS overrun,"
        " (3000000 - sum(leased_nano_usd))::bigint AS drawn FROM th.budget_windows"
    ).fetchone()
    assert settled == {"settled": 60_000, "overrun": 0, "drawn": 60_000}


async def test_a_listener_hears_of_new_calls_without_their_content(database: DatabaseUrls) -> None:
    """One empty notification per batch; none for a batch without a new call."""
    call = closed()
    async with await connect(database.app, autocommit=True) as listener:
        await listener.execute("LISTEN tollhouse_calls")
        await settle(database, call, closed())
        await settle(database, call)
        heard = [notice.payload async for notice in listener.notifies(timeout=0.2)]
    assert heard == [""]


async def test_only_the_gateway_books_calls(database: DatabaseUrls) -> None:
    """The application may read the ledger, not write it."""
    async with await connect(database.app, autocommit=True) as connection:
        with pytest.raises(StorageError, match="42501"):
            await settle_batch(connection, payload(closed()))


async def test_partitions_are_made_once_and_calls_find_them(
    database: DatabaseUrls, owner: psycopg.Connection[dict[str, Any]]
) -> None:
    """A call of a month without a partition goes to the default one; that month then stays there."""
    far = datetime(2031, 5, 10, tzinfo=UTC)
    await settle(database, closed(far))
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        assert await ensure_partitions(connection, far, far + timedelta(days=31)) == 1
    async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
        assert await ensure_partitions(connection, far, far + timedelta(days=31)) == 0
    later = closed(far + timedelta(days=30))
    await settle(database, later)
    rows = owner.execute("SELECT tableoid::regclass::text AS part FROM th.calls ORDER BY started_at").fetchall()
    assert [row["part"] for row in rows] == ["th.calls_default", "th.calls_203106"]
