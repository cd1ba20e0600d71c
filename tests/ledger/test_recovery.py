"""Recovery: what a dead worker left is settled once, at no less than what is known, and cleared away."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journals import entry_of
from tollhouse.ledger import segments
from tollhouse.ledger.cursor import Position, Shipped, save_shipped
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_format import HEADER_BYTES, Kind, scan
from tollhouse.ledger.recovery import RecoveryTuning, recover
from tollhouse.ledger.segments import REJECTED_FOLDER, journal_root, segment_numbers, segment_path

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0


def later(clock: Any) -> None:
    clock.seconds += DAY_S


def dead_journal(data_dir: Path, records: Any, *, closed: int = 5, lost: int = 3, instance_id: str = "dead") -> Path:
    """A journal whose worker is gone, with calls closed and calls left open."""
    with Journal(data_dir, instance_id, tuning=JournalTuning(reserve_bytes=4096)) as journal:
        for number in range(closed + lost):
            journal.opened(*entry_of(records.opened(number)))
        for number in range(closed):
            journal.closed(*entry_of(records.closed(number)))
        return journal.directory


def raw_segments(directory: Path) -> dict[int, bytes]:
    return {number: segment_path(directory, number).read_bytes() for number in segment_numbers(directory)}


async def test_lost_calls_are_settled_and_the_journal_goes(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """Closed calls arrive as they were, open ones as `gateway_lost`; the directory goes when its time has passed."""
    directory = dead_journal(tmp_path, records)

    first = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms, notice=events)
    later(clock)
    second = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms, notice=events)

    assert (first.journals, first.lost_calls, first.settled_rows, first.removed) == (1, 3, 8, 0)
    assert (second.lost_calls, second.shipped_rows, second.removed) == (0, 0, 1)
    assert [row["outcome"] for row in fake_database.rows.values()] == ["completed"] * 5 + ["gateway_lost"] * 3
    lost = fake_database.rows[records.call(5)]
    assert (lost["cost_nano_usd"], lost["usage_source"], lost["team"]) == (10_000_000, "estimated", "ml")
    assert not directory.exists()
    assert events.names["journal.recovered"] == 1


async def test_a_living_worker_is_left_alone(
    make_journal: Any, tmp_path: Path, records: Any, fake_database: Any
) -> None:
    """Its lock is held, so nothing of it is read or settled."""
    make_journal().opened(*entry_of(records.opened(1)))

    report = await recover(tmp_path, settle=fake_database.settle)

    assert (report.journals, report.busy, report.lost_calls) == (1, 1, 0)
    assert fake_database.batches == []


async def test_two_recoveries_exclude_each_other(tmp_path: Path, records: Any, fake_database: Any, clock: Any) -> None:
    """One takes the lock, the other passes by; together they do the work once."""
    dead_journal(tmp_path, records)

    async def slow(payload: bytes) -> int:
        await asyncio.sleep(0.05)
        count: int = await fake_database.settle(payload)
        return count

    reports = await asyncio.gather(*(recover(tmp_path, settle=slow, now_ms=clock.now_ms) for _ in range(3)))

    assert sum(report.lost_calls for report in reports) == 3
    assert (sum(report.busy for report in reports), len(fake_database.batches)) == (2, 1)


async def test_without_a_database_the_journal_waits(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any
) -> None:
    """Nothing is removed however long it takes; what is written meanwhile stays the same; then it is settled."""
    directory = dead_journal(tmp_path, records)
    fake_database.away = True
    first = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    after_first = raw_segments(directory)
    later(clock)
    again = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    assert (first.waiting, first.lost_calls, again.waiting, again.lost_calls) == (1, 3, 1, 0)
    assert raw_segments(directory) == after_first

    fake_database.away = False
    last = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

    assert (last.settled_rows, len(fake_database.rows)) == (8, 8)


async def test_a_recovery_cut_anywhere_is_done_again_with_the_same_rows(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any
) -> None:
    """For every byte at which its own segment may have been cut, the next recovery comes to the same rows."""
    directory = dead_journal(tmp_path, records, closed=1, lost=2)
    fake_database.away = True
    await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    whole = raw_segments(directory)
    fake_database.away = False
    await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    expected = dict(fake_database.rows)

    for cut in range(len(whole[2])):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        segment_path(directory, 1).write_bytes(whole[1])
        segment_path(directory, 2).write_bytes(whole[2][:cut])
        fake_database.rows.clear()
        fake_database.batches.clear()

        await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

        assert fake_database.rows == expected
        assert sum(map(len, fake_database.batches)) == 3


async def test_a_worker_cut_at_every_byte_of_its_last_entries(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any
) -> None:
    """Whatever was whole counts: an opening without its closing is lost, half an opening never was."""
    directory = dead_journal(tmp_path, records, closed=2, lost=0)
    whole = segment_path(directory, 1).read_bytes()
    entries = scan(whole, HEADER_BYTES, final=True).entries
    for cut in range(len(whole) + 1):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        segment_path(directory, 1).write_bytes(whole[:cut])
        fake_database.rows.clear()
        fake_database.batches.clear()

        report = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

        kinds = [entry.kind for entry in entries if entry.end <= cut]
        assert len(fake_database.rows) == kinds.count(Kind.OPENED) == sum(map(len, fake_database.batches))
        assert report.lost_calls == kinds.count(Kind.OPENED) - kinds.count(Kind.CLOSED)
        assert report.damaged_bytes == 0


async def test_the_last_metering_counts_where_the_budget_is_not_strict(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any
) -> None:
    """Each call by its own mode, from the last progress in the journal, also across segments."""
    with Journal(tmp_path, "dead", tuning=JournalTuning(reserve_bytes=0, segment_bytes_max=600)) as journal:
        journal.opened(*entry_of(records.opened(1)))
        journal.opened(*entry_of(records.opened(2, holds=())))
        journal.progress([records.progress(1, 10), records.progress(2, 10)])
        journal.progress([records.progress(1, 20), records.progress(2, 30)])
        assert journal.position[0] > 1

    await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

    strict, loose = fake_database.rows[records.call(1)], fake_database.rows[records.call(2)]
    assert (strict["cost_nano_usd"], strict["usage_source"], strict["output_tokens"]) == (10_000_000, "estimated", 3)
    assert (loose["cost_nano_usd"], loose["usage_source"], loose["units"]) == (30, "partial", {"input": 2, "output": 3})


async def test_a_call_closed_twice_counts_once(tmp_path: Path, records: Any, fake_database: Any, clock: Any) -> None:
    """By the database's key; and it is not taken for lost."""
    with Journal(tmp_path, "dead") as journal:
        journal.opened(*entry_of(records.opened(1)))
        journal.closed(*entry_of(records.closed(1)))
        journal.closed(*entry_of(records.closed(1)))

    report = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

    assert (report.lost_calls, report.shipped_rows, report.settled_rows) == (0, 2, 1)


async def test_a_damaged_cursor_ships_all_again(tmp_path: Path, records: Any, fake_database: Any, clock: Any) -> None:
    """Once each by the database's key; also a cursor that points beyond the journal is no cursor."""
    directory = dead_journal(tmp_path, records)
    await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    (directory / segments.CURSOR_NAME).write_bytes(b"nonsense")

    report = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    save_shipped(directory, Shipped(position=Position(segment=99, offset=0), rows=8, at_ms=clock.now_ms()))
    beyond = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

    assert (report.shipped_rows, report.settled_rows) == (8, 0)
    assert (beyond.shipped_rows, beyond.settled_rows) == (8, 0)


async def test_rejected_rows_outlive_the_journal(tmp_path: Path, records: Any, fake_database: Any, clock: Any) -> None:
    """The dead-letter file is kept beside the journals."""
    dead_journal(tmp_path, records)
    fake_database.poisoned = {records.call(6)}
    first = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)
    later(clock)
    second = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)

    assert (first.rejected_rows, first.settled_rows, second.removed) == (1, 7, 1)
    kept = journal_root(tmp_path) / REJECTED_FOLDER / "dead.jsonl"
    assert records.call(6) in kept.read_text()


async def test_damage_and_strange_files_do_not_stop_it(
    tmp_path: Path, records: Any, fake_database: Any, clock: Any, events: Any
) -> None:
    """What can be read is settled, damage is counted, a journal that cannot be read waits and the others go on."""
    directory = dead_journal(tmp_path, records)
    data = bytearray(segment_path(directory, 1).read_bytes())
    data[HEADER_BYTES + 30] ^= 1
    segment_path(directory, 1).write_bytes(data)
    (directory / "note.txt").write_text("kept by someone")
    broken = dead_journal(tmp_path, records, instance_id="broken")
    segment_path(broken, 1).unlink()
    segment_path(broken, 1).mkdir()
    (journal_root(tmp_path) / "stray").write_text("no journal")
    later(clock)
    await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms, notice=events)
    later(clock)
    report = await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms, notice=events)

    assert (report.failed, report.removed) == (2, 0)  # the strange file keeps its folder, the other cannot be read
    assert len(fake_database.rows) == 8  # the first call's opening is damaged, its closing is not
    assert events.names["journal.damaged"] == 1


_WRITER = """
import os, random, sys
from pathlib import Path
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_sync import JournalSync
from tollhouse.ledger.model import CallClosed, CallOpened, CallProgress
import msgspec

def entry_of(record): return record.call_id, msgspec.json.encode(record)

def write(seed, pipe):
    rng = random.Random(seed)
    tuning = JournalTuning(reserve_bytes=4096, segment_bytes_max=30_000)
    journal = Journal(Path(sys.argv[1]), f"w{seed}", tuning=tuning)
    JournalSync(journal, interval_s=0.02).start()
    os.write(pipe, f"{os.getpid()}\\n".encode())
    number, running = seed << 64, []
    while True:
        number += 1
        call = f"{number:032x}"
        journal.opened(*entry_of(CallOpened(call_id=call, tenant_id="t", started_ms=1, hold_nano_usd=9)))
        os.write(pipe, f"o{call}\\n".encode())
        running.append(call)
        if rng.random() < 0.2:
            journal.progress([CallProgress(call_id=call, cost_nano_usd=3)])
        while len(running) > rng.randrange(1, 8):
            call = running.pop(rng.randrange(len(running)))
            journal.closed(*entry_of(CallClosed(call_id=call, tenant_id="t", started_ms=1, outcome="completed")))
            os.write(pipe, f"c{call}\\n".encode())

workers = [pair.split(":") for pair in sys.argv[2:]]
for seed, pipe in workers:
    if not os.fork():
        for _, other in workers:
            if other != pipe:
                os.close(int(other))
        write(int(seed), int(pipe))
for _, pipe in workers:
    os.close(int(pipe))
for _ in workers:
    assert os.WTERMSIG(os.wait()[1]) == 9
"""


class Killed:
    """Workers that write at speed until they are killed, and what they said to have recorded."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.opened: set[str] = set()
        self.closed: set[str] = set()

    async def run(self, after_bytes: dict[int, int]) -> None:
        """Workers by seed; each is killed when it has said so much."""
        pipes = {seed: os.pipe() for seed in after_bytes}
        writes = {seed: write for seed, (_, write) in pipes.items()}
        command = [sys.executable, "-c", _WRITER, str(self.data_dir), *(f"{s}:{w}" for s, w in writes.items())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        parent = subprocess.Popen(command, pass_fds=list(writes.values()), env=environment)
        for write in writes.values():
            os.close(write)
        await asyncio.gather(*(asyncio.to_thread(self._kill, read, after_bytes[s]) for s, (read, _) in pipes.items()))
        assert await asyncio.to_thread(parent.wait) == 0

    def _kill(self, pipe: int, after_bytes: int) -> None:
        with os.fdopen(pipe, "rb") as voice:
            worker = int(voice.readline())
            said = voice.read(after_bytes)
            os.kill(worker, signal.SIGKILL)
            said += voice.read()
        for line in said.decode().split("\n")[:-1]:
            (self.opened if line[0] == "o" else self.closed).add(line[1:])


async def test_no_call_is_lost_or_counted_twice_when_workers_are_killed(
    tmp_path: Path, fake_database: Any, clock: Any
) -> None:
    """Thirty workers killed at random points, recovered while the database fails now and then."""
    rng = random.Random(20_260)
    killed = Killed(tmp_path)
    for first in range(0, 30, 6):
        await killed.run({seed: rng.randrange(1, 40_000) for seed in range(first, first + 6)})

    fake_database.forgetful = 7
    for _ in range(40):
        report = await recover(
            tmp_path, settle=fake_database.settle, now_ms=clock.now_ms, tuning=RecoveryTuning(rows_max=50)
        )
        if not report.waiting:
            break

    rows = fake_database.rows
    assert len(killed.opened) > 1000
    assert killed.opened <= rows.keys()
    assert len(rows.keys() - killed.opened) <= 30  # at most one each whose acknowledgement the kill cut off
    assert {call for call, row in rows.items() if row["outcome"] == "completed"} >= killed.closed
    lost = [row for row in rows.values() if row["outcome"] == "gateway_lost"]
    assert lost
    assert {row["cost_nano_usd"] for row in lost} <= {3, 9}
    later(clock)
    assert (await recover(tmp_path, settle=fake_database.settle, now_ms=clock.now_ms)).removed == 30
