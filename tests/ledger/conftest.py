"""Records, clocks and a database for the ledger's tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.kernel.ids import DEFAULT_TENANT, CallId, call_id
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_format import HEADER_BYTES, Kind, scan
from tollhouse.ledger.model import CallClosed, CallOpened, CallProgress, WindowHold
from tollhouse.ledger.segments import segment_numbers, segment_path

EPOCH_MS = 1_790_000_000_000


class Records:
    """Calls by number."""

    def call(self, number: int) -> CallId:
        return call_id(EPOCH_MS + number, number.to_bytes(10, "big"))

    def opened(self, number: int, **fields: Any) -> CallOpened:
        """With a hold of a cent, against one window unless `holds` says otherwise."""
        facts: dict[str, Any] = {
            "hold_nano_usd": 10_000_000,
            "holds": (WindowHold(window_id="w1", lease_id="l1", epoch=1),),
            "team": "ml",
            "provider": "openai",
            "requested_model": "gpt-5-mini",
            "price_id": "p1",
        }
        return CallOpened(**(self._identity(number) | facts | fields))

    def progress(self, number: int, cost_nano_usd: int | None) -> CallProgress:
        """Two tokens in, three out."""
        units = {"input": 2, "output": 3}
        return CallProgress(
            call_id=self.call(number), input_tokens=2, output_tokens=3, units=units, cost_nano_usd=cost_nano_usd
        )

    def closed(self, number: int, **fields: Any) -> CallClosed:
        """Completed at 5 nano-dollars, 100 ms after it began."""
        facts: dict[str, Any] = {
            "outcome": "completed",
            "usage_source": "reported",
            "cost_nano_usd": 5,
            "price_status": "priced",
            "latency_ms": 100,
        }
        return CallClosed(**(self._identity(number) | facts | fields))

    def _identity(self, number: int) -> dict[str, Any]:
        return {"call_id": self.call(number), "tenant_id": DEFAULT_TENANT, "started_ms": EPOCH_MS + number}


class Clock:
    """Time that a test moves; starts at `EPOCH_MS`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return EPOCH_MS + round(self.seconds * 1000)


class Events:
    """A notice that remembers."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def __call__(self, event: str, /, **fields: int | float | str) -> None:
        self.names[event] += 1


class Database:
    """Keeps rows by call id as the real one does: once each. The other fields make it fail."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.away = False
        self.hanging = False
        self.faulty = False
        self.forgetful = 0
        """So many batches are committed and then reported as failed."""
        self.poisoned: set[CallId] = set()
        self.batches: list[list[CallId]] = []

    async def settle(self, payload: bytes) -> int:
        if self.hanging:
            await asyncio.sleep(3600)
        if self.away:
            raise StorageError("the database is away")
        if self.faulty:
            raise RuntimeError("a defect")
        rows = msgspec.json.decode(payload)
        self.batches.append([row["call_id"] for row in rows])
        if self.poisoned.intersection(self.batches[-1]):
            raise BatchRejectedError("a value is out of range")
        before = len(self.rows)
        for row in rows:
            self.rows.setdefault(row["call_id"], row)
        if self.forgetful:
            self.forgetful -= 1
            raise StorageError("the connection broke after the commit")
        return len(self.rows) - before


def read_entries(directory: Path) -> list[tuple[Kind, dict[str, Any]]]:
    """All entries of a journal in order, marks left out."""
    entries: list[tuple[Kind, dict[str, Any]]] = []
    for number in segment_numbers(directory):
        found = scan(segment_path(directory, number).read_bytes(), HEADER_BYTES, final=True)
        assert found.damaged_bytes == 0
        entries += [(Kind(e.kind), msgspec.json.decode(e.payload)) for e in found.entries if e.kind != Kind.MARK]
    return entries


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def entries_of() -> Callable[[Path], list[tuple[Kind, dict[str, Any]]]]:
    """Reads a journal's directory."""
    return read_entries


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def fake_database() -> Database:
    return Database()


MakeJournal = Callable[..., Journal]


@pytest.fixture
def make_journal(tmp_path: Path, clock: Clock, events: Events) -> Iterator[MakeJournal]:
    """Makes journals with small reserves; `tuning` fields by name. Lets go of their locks at the end."""
    made: list[Journal] = []

    def make(instance_id: str = "w1", **tuning: Any) -> Journal:
        bounds = JournalTuning(**({"reserve_bytes": 64 << 10} | tuning))
        made.append(Journal(tmp_path, instance_id, tuning=bounds, monotonic=clock.monotonic, notice=events))
        return made[-1]

    yield make
    for journal in made:
        journal.close()
