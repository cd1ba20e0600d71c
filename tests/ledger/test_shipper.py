"""The shipper: every closed call reaches the database once, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journals import entry_of
from tollhouse.kernel.errors import JournalError
from tollhouse.ledger.cursor import BEGINNING, Position, load_shipped
from tollhouse.ledger.journal import Journal
from tollhouse.ledger.segments import CURSOR_NAME, REJECTED_NAME, segment_numbers, segment_path
from tollhouse.ledger.shipper import Shipper, ShipperTuning
from tollhouse.ledger.tail import Tail

pytestmark = pytest.mark.anyio


def shipper_of(journal: Journal, database: Any, clock: Any, events: Any, **tuning: Any) -> Shipper:
    """Quick, with a seeded rng."""
    quick = {"interval_s": 0.005, "retry_first_s": 0.002, "retry_max_s": 0.01, "settle_timeout_s": 0.05}
    return Shipper(
        journal,
        database.settle,
        random=random.Random(7).random,
        tuning=ShipperTuning(**(quick | tuning)),
        now_ms=clock.now_ms,
        notice=events,
    )


def write(journal: Journal, records: Any, numbers: range, **fields: Any) -> None:
    for number in numbers:
        journal.opened(*entry_of(records.opened(number)))
        journal.closed(*entry_of(records.closed(number, **fields)))


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


class Running:
    """A shipper at work while the block lasts."""

    def __init__(self, shipper: Shipper) -> None:
        self.shipper = shipper

    async def __aenter__(self) -> Shipper:
        self.task = asyncio.create_task(self.shipper.run())
        return self.shipper

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_closed_calls_arrive_once_and_in_order(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Batches have at most so many rows; opened calls and progress are not shipped."""
    journal = make_journal(segment_bytes_max=20_000)
    shipper = shipper_of(journal, fake_database, clock, events, rows_max=50)
    write(journal, records, range(230))
    journal.opened(*entry_of(records.opened(500)))

    assert await shipper.drain(5)

    assert [call for batch in fake_database.batches for call in batch] == [records.call(n) for n in range(230)]
    assert {len(batch) for batch in fake_database.batches} == {50, 30}
    assert (shipper.shipped_total, shipper.settled_total, shipper.unshipped_bytes) == (230, 230, 0)
    shipped = load_shipped(journal.directory)
    assert shipped is not None
    assert shipped.rows == 230


async def test_a_batch_is_bounded_in_bytes(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Rows that are large make batches of few; one that is larger than the bound goes alone."""
    journal = make_journal()
    write(journal, records, range(10), raw_usage={"x": "y" * 600_000})

    shipper = shipper_of(journal, fake_database, clock, events, bytes_max=1_300_000, settle_timeout_s=5)
    assert await shipper.drain(5)
    assert [len(batch) for batch in fake_database.batches] == [2] * 5


async def test_a_call_shows_up_soon(make_journal: Any, records: Any, fake_database: Any, events: Any) -> None:
    """With little traffic, and the interval that is the default, a row is settled within 200 ms."""
    journal = make_journal()
    shipper = Shipper(journal, fake_database.settle, random=random.Random(7).random, notice=events)
    async with Running(shipper):
        for number in range(3):
            await asyncio.sleep(0.03)
            write(journal, records, range(number, number + 1))
            async with asyncio.timeout(0.2):
                while len(fake_database.rows) <= number:
                    await asyncio.sleep(0.002)


async def test_it_waits_out_a_database_that_is_away(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Nothing is lost, the lag is seen, and all is shipped when the database is back."""
    journal = make_journal()
    fake_database.away = True
    async with Running(shipper_of(journal, fake_database, clock, events, rows_max=20)) as shipper:
        write(journal, records, range(100))
        await until(lambda: events.names["shipper.retry"] >= 5)
        clock.seconds = 60.0
        assert (shipper.healthy, fake_database.rows) == (False, {})
        assert shipper.oldest_unshipped_s == pytest.approx(59.9, abs=0.01)
        assert shipper.unshipped_bytes > 10_000
        assert not await shipper.drain(0.02)
        fake_database.away = False
        await until(lambda: shipper.caught_up)

    assert (shipper.healthy, shipper.oldest_unshipped_s) == (True, 0.0)
    assert len(fake_database.rows) == 100


async def test_pauses_grow_to_their_bound(make_journal: Any, records: Any, fake_database: Any, clock: Any) -> None:
    """0.1 s, doubled up to 2 s, each shortened by up to half at random."""
    journal = make_journal()
    write(journal, records, range(1))
    fake_database.away = True
    longest = Shipper(journal, fake_database.settle, random=lambda: 1.0, now_ms=clock.now_ms)
    shortest = Shipper(journal, fake_database.settle, random=lambda: 0.0, now_ms=clock.now_ms)

    assert [await longest._ship_next() for _ in range(7)] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert [await shortest._ship_next() for _ in range(3)] == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("failure", ["hanging", "faulty"])
async def test_a_settlement_that_hangs_or_breaks_is_tried_again(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any, failure: str
) -> None:
    """It has a deadline, and no defect beyond the port ends the shipping."""
    journal = make_journal()
    setattr(fake_database, failure, True)
    async with Running(shipper_of(journal, fake_database, clock, events, settle_timeout_s=0.01)) as shipper:
        write(journal, records, range(10))
        await until(lambda: events.names["shipper.retry"] >= 2)
        setattr(fake_database, failure, False)
        await until(lambda: shipper.caught_up)

    assert len(fake_database.rows) == 10


async def test_a_commit_that_was_reported_as_failed_counts_once(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """The batch is sent again; what is there already is not new."""
    journal = make_journal()
    fake_database.forgetful = 1
    write(journal, records, range(10))
    shipper = shipper_of(journal, fake_database, clock, events)

    assert await shipper.drain(5)

    assert (len(fake_database.batches), len(fake_database.rows)) == (2, 10)
    assert (shipper.shipped_total, shipper.settled_total) == (10, 0)


async def test_poisoned_rows_are_set_aside_and_the_rest_goes_on(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Each row the database will never take is in the dead-letter file with its reason, counted and told."""
    journal = make_journal()
    write(journal, records, range(100))
    bad = {records.call(n) for n in (0, 41, 42, 99)}
    fake_database.poisoned = bad
    shipper = shipper_of(journal, fake_database, clock, events)

    assert await shipper.drain(5)

    assert set(fake_database.rows) == {records.call(n) for n in range(100)} - bad
    lines = [msgspec.json.decode(line) for line in (journal.directory / REJECTED_NAME).read_bytes().splitlines()]
    assert {line["row"]["call_id"] for line in lines} == bad
    assert {line["reason"] for line in lines} == {"a value is out of range"}
    assert shipper.rejected_total == events.names["shipper.row_rejected"] == 4


async def test_a_full_disk_keeps_a_poisoned_row_in_hand(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Where the dead letter cannot be written, the row is not passed over."""
    journal = make_journal()
    write(journal, records, range(3))
    fake_database.poisoned = {records.call(1)}
    (journal.directory / REJECTED_NAME).symlink_to("/dev/full")
    shipper = shipper_of(journal, fake_database, clock, events)

    assert not await shipper.drain(0.05)
    (journal.directory / REJECTED_NAME).unlink()
    assert await shipper.drain(5)
    assert shipper.rejected_total == 1


async def test_shipped_segments_go_after_their_time(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any, entries_of: Any
) -> None:
    """Not before 15 minutes; a call still open in one of them is written again first."""
    journal = make_journal(segment_bytes_max=3000)
    journal.opened(*entry_of(records.opened(999)))
    write(journal, records, range(50))
    shipper = shipper_of(journal, fake_database, clock, events)
    await shipper.drain(5)
    clock.seconds = 899.0
    await shipper._ship_next()
    current = journal.position[0]
    assert segment_numbers(journal.directory) == list(range(1, current + 1))

    clock.seconds = 905.0
    await shipper._ship_next()

    assert segment_numbers(journal.directory) == [current, journal.position[0]]
    assert records.call(999) in [payload["call_id"] for _, payload in entries_of(journal.directory)]
    await shipper.drain(5)
    assert (shipper.unshipped_bytes, events.names["shipper.retention_cut"]) == (0, 0)


async def test_a_crowded_journal_gives_up_retention_not_rows(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Near the bound shipped segments go at once; what is not shipped stays and stops the opening."""
    journal = make_journal(segment_bytes_max=3000, journal_bytes_max=20_000)
    shipper = shipper_of(journal, fake_database, clock, events)
    for number in range(200):
        write(journal, records, range(number, number + 1))
        if number % 10 == 0:
            clock.seconds += 1.0
            await shipper.drain(5)
    await shipper.drain(5)

    assert (journal.healthy, len(fake_database.rows)) == (True, 200)
    assert events.names["shipper.retention_cut"] > 0


@pytest.mark.parametrize("damage", [b"", b"x" * 44, None])
async def test_a_cursor_that_cannot_be_trusted_is_none(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any, damage: bytes | None
) -> None:
    """Empty, foreign or with one flipped byte."""
    journal = make_journal()
    write(journal, records, range(3))
    await shipper_of(journal, fake_database, clock, events).drain(5)
    path = journal.directory / CURSOR_NAME
    whole = path.read_bytes()
    assert load_shipped(journal.directory) is not None

    path.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:] if damage is None else damage)

    assert load_shipped(journal.directory) is None


async def test_damage_is_told_and_the_rest_is_shipped(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Entries behind a broken stretch, be it longer than a block, still reach the database."""
    journal = make_journal(fresh_bytes_max=0)
    write(journal, records, range(3000))
    path = segment_path(journal.directory, 1)
    data = bytearray(path.read_bytes())
    data[200_000:800_000] = bytes(600_000)
    path.write_bytes(data)

    assert await shipper_of(journal, fake_database, clock, events).drain(5)

    assert events.names["journal.damaged"] == 1
    assert 0 < 3000 - len(fake_database.rows) < 3000
    assert records.call(2999) in fake_database.rows


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(200, 4000), st.integers(0, 1 << 32))
async def test_a_tail_reads_every_row_from_any_batch_end(
    make_journal: Any, records: Any, events: Any, rows_max: int, bytes_max: int, seed: int
) -> None:
    """Whatever the batches, reading on from the end of one in a new tail gives each row once, in order."""
    rng = random.Random(seed)
    journal = make_journal(f"w{uuid4().hex}", segment_bytes_max=2500, reserve_bytes=0)
    write(journal, records, range(60))
    limit = Position(segment=journal.position[0], offset=journal.position[1])
    tail = Tail(journal.directory, BEGINNING, rows_max=rows_max, bytes_max=bytes_max, notice=events)
    rows: list[bytes] = []
    while tail.position < limit:
        batch = tail.read(limit)
        assert len(batch.rows) <= rows_max
        rows += batch.rows
        if rng.random() < 0.3:
            tail = Tail(journal.directory, batch.end, rows_max=rows_max, bytes_max=bytes_max, notice=events)

    assert [msgspec.json.decode(row)["call_id"] for row in rows] == [records.call(n) for n in range(60)]
    journal.close()


async def test_a_shipping_that_is_stopped_between_two_blocks_loses_nothing(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Rows already read when the task is cancelled are shipped by the drain that follows."""
    journal = make_journal(fresh_bytes_max=0)
    write(journal, records, range(600))
    shipper = shipper_of(journal, fake_database, clock, events, rows_max=400)
    task = asyncio.create_task(shipper.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert fake_database.rows == {}

    assert await shipper.drain(5)

    assert [len(batch) for batch in fake_database.batches] == [400, 200]
    assert len(fake_database.rows) == 600


async def test_a_probe_that_gets_half_way_hides_nothing(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closings that waited are in the file one after the other; those in front of the one that fails are shipped."""
    journal = make_journal()
    shipper = shipper_of(journal, fake_database, clock, events)
    close_without_room(journal, records, 5)
    really_write = os.write

    def write_but_one(descriptor: int, data: bytes) -> int:
        if records.call(3).encode() in data:
            raise OSError(errno.ENOSPC, "no space")
        return really_write(descriptor, data)

    monkeypatch.setattr(os, "write", write_but_one)
    assert not journal.probe() and journal.waiting_closings == 2
    assert not await shipper.drain(0.1)
    assert sorted(fake_database.rows) == [records.call(number) for number in range(3)]
    monkeypatch.undo()
    assert journal.probe() and await shipper.drain(5)
    assert sorted(fake_database.rows) == [records.call(number) for number in range(5)]


async def test_a_probe_and_the_shipper_do_not_pass_each_other(
    make_journal: Any, records: Any, fake_database: Any, clock: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe has a thread of its own; who asks in the middle of it is not told that there is nothing new."""
    journal = make_journal()
    shipper = shipper_of(journal, fake_database, clock, events)
    close_without_room(journal, records, 5)
    assert not await shipper.drain(0.05)
    really_write = os.write
    half_way = threading.Event()

    def write_slowly(descriptor: int, data: bytes) -> int:
        if records.call(1).encode() in data:
            half_way.set()
            time.sleep(0.2)
        return really_write(descriptor, data)

    monkeypatch.setattr(os, "write", write_slowly)
    probe = threading.Thread(target=journal.probe)
    probe.start()
    half_way.wait(5)
    await shipper.drain(0.1)
    probe.join()
    assert await shipper.drain(5)
    assert sorted(fake_database.rows) == [records.call(number) for number in range(5)]


def close_without_room(journal: Journal, records: Any, count: int) -> None:
    """Opens calls, and closes them while no disk takes it: the closings wait in memory."""
    for number in range(count):
        journal.opened(*entry_of(records.opened(number)))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._descriptor)
    os.close(full)
    for number in range(count):
        with pytest.raises(JournalError):
            journal.closed(*entry_of(records.closed(number)))
    assert journal.waiting_closings == count
