"""The journal of a worker: what it promises before, during and after a full disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journals import entry_of
from tollhouse.kernel.errors import JournalError
from tollhouse.ledger import segments
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_format import Kind
from tollhouse.ledger.journal_sync import JournalSync

pytestmark = pytest.mark.anyio


def calls_of(entries: list[tuple[Kind, dict[str, Any]]], kind: Kind) -> list[str]:
    return [payload["call_id"] for entry_kind, payload in entries if entry_kind == kind]


def fill_disk(folder: Path) -> Path:
    """Takes all space of a file system by a file, to the last byte."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as filler:
        for block in (1 << 16, 1 << 12, 1):
            try:
                while filler.write(bytes(block)) == block:
                    pass
            except OSError:
                continue
    return path


async def test_entries_are_in_the_file_on_return(make_journal: Any, records: Any, entries_of: Any) -> None:
    """Opened, progress and closed can be read by another process as soon as the call returns."""
    journal = make_journal()

    journal.opened(*entry_of(records.opened(1)))
    await journal.opened_durably(*entry_of(records.opened(2)))
    journal.progress([records.progress(1, 3), records.progress(2, 4)])
    journal.closed(*entry_of(records.closed(1)))

    entries = entries_of(journal.directory)
    assert [kind for kind, _ in entries] == [Kind.OPENED, Kind.OPENED, Kind.PROGRESS, Kind.PROGRESS, Kind.CLOSED]
    assert entries[0][1]["hold_nano_usd"] == 10_000_000
    assert (journal.open_calls, journal.healthy) == (1, True)


async def test_segments_roll_by_size_and_by_age(make_journal: Any, records: Any, entries_of: Any, clock: Any) -> None:
    """A segment ends when it is full or old; no entry is lost between two."""
    journal = make_journal(segment_bytes_max=2000, segment_age_max_s=300.0)
    for number in range(30):
        journal.opened(*entry_of(records.opened(number)))
    by_size = journal.position[0]
    clock.seconds = 301.0
    journal.opened(*entry_of(records.opened(30)))
    journal.opened(*entry_of(records.opened(31)))

    assert by_size > 3
    assert journal.position[0] == by_size + 1
    assert calls_of(entries_of(journal.directory), Kind.OPENED) == [records.call(n) for n in range(32)]
    sizes = {n: segments.segment_path(journal.directory, n).stat().st_size for n in journal.segment_sizes()}
    assert journal.segment_sizes() == sizes
    assert journal.total_bytes == sum(sizes.values())


async def test_the_lock_is_held_for_life(make_journal: Any) -> None:
    """No other can take it until the journal is closed, and an id is used once."""
    journal = make_journal()

    assert segments.take_lock(journal.directory) is None
    with pytest.raises(JournalError, match="there already"):
        make_journal()
    journal.close()
    lock = segments.take_lock(journal.directory)
    assert lock is not None
    os.close(lock)


@pytest.mark.parametrize("name", ["", "../w1", "a/b", ".hidden", "w" * 101])
async def test_an_id_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    """The id becomes a folder's name, so it is checked."""
    with pytest.raises(JournalError, match="instance id"):
        Journal(tmp_path, name)


async def test_beyond_its_bound_no_call_is_opened(make_journal: Any, records: Any) -> None:
    """With the database away too long, opening stops and closing goes on; it mends when segments may go."""
    journal = make_journal(segment_bytes_max=1000, journal_bytes_max=4000)
    opened = 0
    while journal.healthy:
        journal.opened(*entry_of(records.opened(opened)))
        opened += 1

    with pytest.raises(JournalError, match="bound"):
        journal.opened(*entry_of(records.opened(opened)))
    for number in range(opened):
        journal.closed(*entry_of(records.closed(number)))
    for number in list(journal.segment_sizes())[:-1]:
        journal.remove_segment(number)
    assert journal.healthy
    with pytest.raises(ValueError, match="current segment"):
        journal.remove_segment(journal.position[0])


async def test_carried_calls_outlive_their_segment(make_journal: Any, records: Any, entries_of: Any) -> None:
    """A call still open is written again, so that its old segment can be removed."""
    journal = make_journal(segment_bytes_max=1500)
    for number in range(8):
        journal.opened(*entry_of(records.opened(number)))
    for number in range(1, 8):
        journal.closed(*entry_of(records.closed(number)))
    last = journal.position[0]

    for number in range(1, last):
        journal.carry(number)
        journal.remove_segment(number)

    assert records.call(0) in calls_of(entries_of(journal.directory), Kind.OPENED)
    assert journal.open_calls == 1


async def test_power_mode_waits_for_the_disk(make_journal: Any, records: Any) -> None:
    """Many that wait at once share a sync; none returns before it."""
    journal = make_journal(durability="power")
    with pytest.raises(JournalError, match="in time"):
        short = make_journal("w2", durability="power", sync_wait_max_s=0.05)
        await short.opened_durably(*entry_of(records.opened(0)))
    sync = JournalSync(journal, interval_s=5.0)
    sync.start()
    try:
        await asyncio.gather(*(journal.opened_durably(*entry_of(records.opened(n))) for n in range(50)))
    finally:
        sync.stop()

    assert journal.open_calls == 50


async def test_a_failed_sync_refuses_and_mends(make_journal: Any, records: Any, events: Any, entries_of: Any) -> None:
    """When the disk does not confirm, whoever waits is refused, and the journal goes on in a new segment."""
    journal = make_journal(durability="power")
    journal.opened(*entry_of(records.opened(1)))
    broken = os.open("/dev/full", os.O_WRONLY)
    os.dup2(broken, journal._descriptor)  # a device that cannot be synced

    journal.sync()

    assert events.names["journal.unwritable"] == 1
    with pytest.raises(JournalError):
        journal.opened(*entry_of(records.opened(2)))
    assert journal.probe()
    journal.opened(*entry_of(records.opened(3)))
    assert journal.position[0] == 2
    assert calls_of(entries_of(journal.directory), Kind.OPENED) == [records.call(1), records.call(3)]
    os.close(broken)


_LIMITED = """
import resource, sys
from pathlib import Path
import msgspec
from tollhouse.kernel.errors import JournalError
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.model import CallClosed, CallOpened

def opened(n): return CallOpened(call_id=f"{n:032x}", tenant_id="t", started_ms=1, hold_nano_usd=7)
def closed(n): return CallClosed(call_id=f"{n:032x}", tenant_id="t", started_ms=1, outcome="completed")
def entry_of(record): return record.call_id, msgspec.json.encode(record)

journal = Journal(Path(sys.argv[1]), "w1", tuning=JournalTuning(reserve_bytes=4096))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_001, resource.RLIM_INFINITY))
count = 0
try:
    while True:
        journal.opened(*entry_of(opened(count)))
        count += 1
except JournalError:
    assert not journal.healthy
try:
    journal.opened(*entry_of(opened(count)))
    raise SystemExit("opened while unhealthy")
except JournalError:
    pass
for n in range(count): journal.closed(*entry_of(closed(n)))
assert journal.open_calls == 0 and journal.waiting_closings == 0
assert journal.probe() and journal.healthy
journal.opened(*entry_of(opened(count)))
print(count)
"""


async def test_a_file_limit_tears_no_entry_and_loses_no_closing(tmp_path: Path, entries_of: Any) -> None:
    """A write that is taken in part is cut off again; opening stops; closings go to new segments; a probe mends."""
    run = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert (run.stderr, run.returncode) == ("", 0)
    count = int(run.stdout)
    entries = entries_of(segments.journal_root(tmp_path) / "w1")
    assert count > 50
    assert calls_of(entries, Kind.OPENED) == [f"{n:032x}" for n in range(count + 1)]
    assert calls_of(entries, Kind.CLOSED) == [f"{n:032x}" for n in range(count)]


def close_all(journal: Journal, records: Any, count: int) -> int:
    """Close so many calls; how many had to wait in memory."""
    waiting = 0
    for number in range(count):
        try:
            journal.closed(*entry_of(records.closed(number)))
        except JournalError:
            waiting += 1
    return waiting


def small_disk(path: Path) -> Path | None:
    """A file system of 1 MiB, where the rights to mount one are there."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(path)], check=False, capture_output=True
    )
    return path if mounted.returncode == 0 else None


async def test_a_full_disk_refuses_closes_and_mends(tmp_path: Path, records: Any, events: Any, entries_of: Any) -> None:
    """On a full disk open calls are closed out of the reserve, then wait in memory; with space again all are written.

    Where no disk of 1 MiB can be mounted, a device that is always full stands for it.
    """
    disk = small_disk(tmp_path / "disk")
    tuning = JournalTuning(reserve_bytes=256 << 10, backlog_bytes_max=64 << 10)
    journal = Journal(disk or tmp_path, "w1", tuning=tuning, notice=events)
    try:
        for number in range(800):
            journal.opened(*entry_of(records.opened(number)))
        if disk is not None:
            filler = fill_disk(disk)
        else:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, journal._descriptor)
            os.close(full)
        with pytest.raises(JournalError):
            while True:
                journal.opened(*entry_of(records.opened(800)))  # the rest of a page may still take one

        assert not journal.healthy
        assert disk is None or not journal.probe()
        for number in range(900, 1000):
            # Refused calls take nothing of the room of those that were opened.
            with pytest.raises(JournalError):
                journal.closed(*entry_of(records.closed(number)))
        waiting = close_all(journal, records, 700)
        assert journal.waiting_closings == waiting
        if disk is not None:
            assert waiting == 0  # the reserve had room for all of them
            filler.unlink()
        assert journal.probe()
        assert (journal.healthy, journal.waiting_closings) == (True, 0)
        assert (events.names["journal.unwritable"], events.names["journal.writable"]) == (1, 1)
        entries = entries_of(journal.directory)
        assert calls_of(entries, Kind.CLOSED) == [records.call(n) for n in range(700)]
    finally:
        journal.close()
        if disk is not None:
            subprocess.run(["umount", str(disk)], check=True)


async def test_closings_that_find_no_room_at_all_wait_in_memory(
    make_journal: Any, records: Any, events: Any, entries_of: Any
) -> None:
    """With the reserve used up a closing waits, bounded; the one that does not fit is told. A probe writes the rest."""
    journal = make_journal(backlog_bytes_max=1000)
    for number in range(10):
        journal.opened(*entry_of(records.opened(number)))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._descriptor)

    refused = close_all(journal, records, 10)

    assert (refused, journal.healthy) == (10, False)
    kept = journal.waiting_closings
    assert 0 < kept < 10
    assert events.names["journal.closing_lost"] == 10 - kept
    journal.progress([records.progress(1, 1)])
    assert journal.progress_lost == 1
    assert journal.probe()
    assert calls_of(entries_of(journal.directory), Kind.CLOSED) == [records.call(n) for n in range(kept)]
    assert journal.open_calls == 10 - kept
    os.close(full)


async def test_the_thread_syncs_and_mends(make_journal: Any, records: Any) -> None:
    """The owner starts a thread, and a journal that could be written again is healthy again by itself."""
    journal = make_journal()
    sync = JournalSync(journal, interval_s=0.01)
    sync.start()
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        os.dup2(full, journal._descriptor)
        with pytest.raises(JournalError):
            journal.opened(*entry_of(records.opened(1)))
        async with asyncio.timeout(5):
            while not journal.healthy:
                await asyncio.sleep(0.005)
        journal.opened(*entry_of(records.opened(2)))
    finally:
        sync.stop()
        os.close(full)
