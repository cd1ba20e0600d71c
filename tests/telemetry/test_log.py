"""The log: catalogued events as lines of JSON, exceptions by type and place alone, and no harm from a full disk."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tollhouse.telemetry.log import CATALOGUE, configure, log


@pytest.fixture(autouse=True)
def unconfigured_after() -> Iterator[None]:
    """The log is the process's: other tests find it as they left it."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def stream() -> io.StringIO:
    """What is logged from `info` on, by a worker of a name."""
    stream = io.StringIO()
    configure("info", stream, worker="g1")
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Each line as its fields."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("event", CATALOGUE)
def test_every_event_of_the_catalogue_can_be_said(stream: io.StringIO, event: str) -> None:
    """One object a line: event, level, moment, who says it, and its fields."""
    log(event, "warning", calls=3)
    (line,) = lines(stream)
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert line == {"event": event, "level": "warning", "worker": "g1", "calls": 3}


def test_an_event_outside_the_catalogue_is_a_defect(stream: io.StringIO) -> None:
    """Nothing is written."""
    with pytest.raises(AssertionError, match=r"not in the catalogue: call\.lost"):
        log("call.lost")
    assert lines(stream) == []


def test_what_is_below_the_level_is_not_written() -> None:
    """Levels are spelt in either case."""
    stream = io.StringIO()
    configure("ERROR", stream)
    log("worker.started")
    log("worker.died", "error")
    assert [line["event"] for line in lines(stream)] == ["worker.died"]


def test_an_exception_is_named_by_type_and_place(stream: io.StringIO) -> None:
    """Its message may hold what it choked on; its locals may hold more."""
    secret = "sk-live-in-a-local"
    try:
        int(f"{secret} in a message")
    except ValueError as error:
        log("call.fault", "error", error=error)
    (line,) = lines(stream)
    module, _, number = line["raised_at"].rpartition(":")
    assert (line["error"], module) == ("ValueError", __name__)
    assert number.isdigit()
    assert secret not in stream.getvalue()


def test_an_exception_that_was_not_raised_has_no_place(stream: io.StringIO) -> None:
    """And words are shown as they are."""
    log("call.fault", error=KeyError("sk-live"))
    log("call.fault", error="a reason")
    first, second = lines(stream)
    assert (first["error"], "raised_at" in first, second["error"]) == ("KeyError", False, "a reason")


class FullDisk(io.StringIO):
    """Takes nothing until there is room."""

    room = False

    def write(self, text: str) -> int:
        """OSError while there is no room."""
        if not self.room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_that_could_not_be_written_are_counted() -> None:
    """They end nothing, and the next line that can be written tells how many they were; the one after does not."""
    stream = FullDisk()
    configure("info", stream)
    log("worker.started")
    log("worker.stopping")
    stream.room = True
    log("worker.stopped")
    log("worker.started")
    assert [line.get("lost_lines") for line in lines(stream)] == [2, None]
