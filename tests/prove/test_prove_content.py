"""Proof: nothing that a caller or a provider writes travels into the record of a call but what was declared."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canaries import Canary, Hit, Search, tables
from figures import FULL, Figures
from provider import Provider
from stack import Stack
from strangers import MARK, Recorded, Strange, record_answers, strange_requests

pytestmark = pytest.mark.prove

EXAMPLES = 2_000 if FULL else 200
MODELS = {"/v1/messages": "claude-haiku-4-5"}


class Room:
    """A running Tollhouse, its provider's recordings, and how far its journal has been read."""

    def __init__(self, stack: Stack, recorded: list[Recorded]) -> None:
        self.stack, self.recorded = stack, recorded
        self.numbers = itertools.count(1)
        self.client = httpx.Client(base_url=stack.gateway_url, timeout=20)
        self.statuses: dict[int, int] = {}
        self.marks: list[str] = []
        self._read: dict[Path, int] = {}

    def newly_written(self) -> bytes:
        """What the journals have had since the last time."""
        parts = []
        for path in sorted((self.stack.data_dir / "journal").glob("*/*.segment")):
            begin = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(begin)
                parts.append(file.read())
            self._read[path] = begin + len(parts[-1])
        return b"".join(parts)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        folder = Path(directory) / "recordings"
        folder.mkdir()
        recorded = record_answers(folder)
        with Provider(folder) as provider:
            stack = Stack(Path(directory), environment=provider.environment())
            try:
                yield Room(stack.start(), recorded)
            finally:
                stack.stop()


def test_nothing_undeclared_is_recorded(room: Room, figures: Figures) -> None:
    """Random header names and values, body members and provider answers: no mark in them is in the journal's entries
    of the call, and after all examples none in any column of any table; the declared label of each is."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not FULL,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        mark = f"{MARK}{next(room.numbers)}x"
        strange = data.draw(strange_requests(mark))
        recorded = data.draw(st.sampled_from(room.recorded))
        room.marks.append(mark)
        _send(room, strange, mark, recorded)
        written = room.newly_written()
        declared = f'"team":"{strange.declared}"'.encode()
        assert declared in written or b'"outcome":"refused"' in written, "the control: what is declared is recorded"
        assert _marked(mark, written) == []

    one()
    room.stack.until(lambda: len(room.stack.calls()) >= len(room.marks), 20.0)
    found = [hit for place, content in tables(room.stack) for hit in _marked(MARK, content, place)]
    assert found == []
    rows = len(room.stack.calls())
    figures.note("examples", len(room.marks))
    figures.note("rows in the ledger, each searched in every column", rows)
    figures.note("marks of requests or answers found", len(found))
    figures.note(
        "statuses answered", ", ".join(f"{status} × {count}" for status, count in sorted(room.statuses.items()))
    )


def _marked(mark: str, content: bytes, place: str = "journal") -> list[Hit]:
    """In any form; header names are lower-case on their way."""
    search = Search(Canary(kind="mark", core=core, text=core) for core in {mark, mark.lower()})
    return search.within(place, content)


def _send(room: Room, strange: Strange, mark: str, recorded: Recorded) -> None:
    model = MODELS.get(strange.path, "gpt-4o-mini")
    needed = {"model": model, "messages": [{"role": "user", "content": mark}], "input": mark, "max_tokens": 9}
    body = {**strange.members, **needed, "stream": strange.stream}
    said = f"text=Well {mark}" if strange.said == "text" else f"recording={recorded.stem}"
    headers = dict(strange.headers) | {
        "content-type": "application/json",
        "authorization": f"Bearer {room.stack.own_key}",
        "x-tollhouse-team": strange.declared,
        "x-simulate": said,
    }
    answer = room.client.post(f"{strange.path}?{strange.query}", headers=headers, content=json.dumps(body).encode())
    room.statuses[answer.status_code] = room.statuses.get(answer.status_code, 0) + 1
