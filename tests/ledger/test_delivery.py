"""Handing rows over: what is refused for good stands alone in a file, and nothing is lost when a hand-over fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.ledger.delivery import Delivered, Delivery
from tollhouse.ledger.segments import REJECTED_NAME

pytestmark = pytest.mark.anyio


@pytest.fixture
def rows(records: Any) -> list[bytes]:
    """Seven rows as the journal has them."""
    return [msgspec.json.encode(records.closed(number)) for number in range(7)]


@pytest.fixture
def delivery(tmp_path: Path, fake_database: Any, events: Any) -> Delivery:
    """The way to a database that a test can make fail."""
    return Delivery(tmp_path, fake_database.settle, timeout_s=0.05, notice=events)


def set_aside(directory: Path) -> list[dict[str, Any]]:
    """The dead letters."""
    path = directory / REJECTED_NAME
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


async def test_no_rows_are_no_batch(delivery: Delivery, fake_database: Any) -> None:
    """Given nothing to send, when sent, then the database is not asked."""
    assert await delivery.send([]) == Delivered(new=0, rejected=0)
    assert fake_database.batches == []


async def test_rows_go_in_one_batch_and_only_new_ones_count(
    delivery: Delivery, fake_database: Any, rows: list[bytes]
) -> None:
    """Given rows of which some are there, when sent, then it is one batch, and it is told how many were new."""
    await delivery.send(rows[:3])
    assert await delivery.send(rows) == Delivered(new=4, rejected=0)
    assert [len(batch) for batch in fake_database.batches] == [3, 7]


@pytest.mark.parametrize("bad", [(0,), (6,), (2, 3), (0, 3, 6), tuple(range(7))])
async def test_each_bad_row_stands_alone_and_the_others_are_settled(
    delivery: Delivery, fake_database: Any, records: Any, rows: list[bytes], tmp_path: Path, bad: tuple[int, ...]
) -> None:
    """Given rows that are never taken, anywhere in a batch, when sent, then just they are set aside, byte for byte."""
    fake_database.poisoned = {records.call(number) for number in bad}
    assert await delivery.send(rows) == Delivered(new=7 - len(bad), rejected=len(bad))
    letters = set_aside(tmp_path)
    assert [msgspec.json.encode(letter["row"]) for letter in letters] == [rows[number] for number in bad]
    assert {letter["reason"] for letter in letters} == {"a value is out of range"}
    assert set(fake_database.rows) == {records.call(number) for number in range(7) if number not in bad}


async def test_every_dead_letter_is_told(
    delivery: Delivery, fake_database: Any, records: Any, rows: list[bytes], events: Any
) -> None:
    """Given several bad rows in one batch, when they are set aside, then each is an event of its own."""
    fake_database.poisoned = {records.call(1), records.call(5)}
    await delivery.send(rows)
    assert events.names["shipper.row_rejected"] == 2


async def test_the_dead_letter_file_is_appended_to_and_is_the_owners(
    delivery: Delivery, fake_database: Any, records: Any, rows: list[bytes], tmp_path: Path
) -> None:
    """Given dead letters of an earlier batch, when another row is refused, then both are there, readable by one."""
    fake_database.poisoned = {records.call(0), records.call(1)}
    await delivery.send(rows[:1])
    await delivery.send(rows[1:2])
    assert len(set_aside(tmp_path)) == 2
    assert (tmp_path / REJECTED_NAME).stat().st_mode & 0o777 == 0o600


async def test_a_long_reason_is_cut(tmp_path: Path, events: Any, rows: list[bytes]) -> None:
    """Given a database that explains itself at length, when a row is refused, then the file stays small."""

    async def refuse(payload: bytes) -> int:
        raise BatchRejectedError('x"\n' * 1000)

    await Delivery(tmp_path, refuse, timeout_s=1, notice=events).send(rows[:1])
    assert [len(letter["reason"]) for letter in set_aside(tmp_path)] == [300]


async def test_a_failure_in_the_middle_sets_nothing_aside(
    delivery: Delivery, fake_database: Any, records: Any, rows: list[bytes], tmp_path: Path
) -> None:
    """Given a bad row and then a database that goes away, when sent, then all is to be sent again."""
    fake_database.poisoned = {records.call(6)}
    settled, settle = 0, fake_database.settle

    async def then_gone(payload: bytes) -> int:
        nonlocal settled
        settled += 1
        if settled > 2:
            raise StorageError("the database is away")
        return int(await settle(payload))

    with pytest.raises(StorageError, match="away"):
        await Delivery(tmp_path, then_gone, timeout_s=1, notice=lambda event, **fields: None).send(rows)
    assert set_aside(tmp_path) == []
    assert await delivery.send(rows) == Delivered(new=3, rejected=1)


async def test_slowness_and_faults_are_told_as_storage_errors(
    delivery: Delivery, fake_database: Any, rows: list[bytes], events: Any
) -> None:
    """Given a database that hangs, or a defect at its edge, when sent, then it may be tried again, and it is told."""
    fake_database.hanging = True
    with pytest.raises(StorageError, match=r"longer than 0\.05 s"):
        await delivery.send(rows)
    fake_database.hanging, fake_database.faulty = False, True
    with pytest.raises(StorageError, match="RuntimeError"):
        await delivery.send(rows)
    assert events.names["shipper.fault"] == 1


async def test_dead_letters_that_cannot_be_written_are_not_taken_for_set_aside(
    tmp_path: Path, fake_database: Any, records: Any, rows: list[bytes], events: Any
) -> None:
    """Given a file that takes nothing, when a row is refused, then the batch is to be sent again."""
    (tmp_path / REJECTED_NAME).symlink_to("/dev/full")
    fake_database.poisoned = {records.call(0)}
    with pytest.raises(StorageError, match="dead-letter file"):
        await Delivery(tmp_path, fake_database.settle, timeout_s=1, notice=events).send(rows)
    assert events.names["shipper.row_rejected"] == 0
