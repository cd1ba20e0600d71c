"""The worker's one timer: what a tick asks of open calls, connections and the pool, and how often it writes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tollhouse.gateway.edge import EdgeProtocol
from tollhouse.gateway.sweeper import PROGRESS_EVERY_S, PUBLISH_EVERY_S, Sweeper


class Noted:
    """Stands for everything that a tick touches, and notes in which order it does."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: object) -> str:
            self.notes.append(name)
            return name

        return note


def plane_of(noted: Noted) -> Any:
    """A plane with one open call."""
    return SimpleNamespace(
        open={noted},
        upstream=noted,
        metrics=noted,
        journal=SimpleNamespace(progress=lambda entries: noted.notes.append(f"journal {entries}")),
        snapshots=SimpleNamespace(current=SimpleNamespace(loaded_s=0.0)),
    )


def test_a_tick_checks_deadlines_and_writes_in_its_own_time() -> None:
    """Deadlines and the pool each time; metrics and progress only when they are due."""
    noted = Noted()
    sweeper = Sweeper(plane_of(noted), [])
    always = ["check_deadline", "sweep"]
    published, written = ["gauge", "gauge", "publish"], ["progress", "journal ['progress']"]
    sweeper.tick(100.0)
    assert noted.notes == [*always, *published, *written]
    for later_s, more in ((PUBLISH_EVERY_S, published), (PROGRESS_EVERY_S - 0.1, []), (PROGRESS_EVERY_S, None)):
        noted.notes.clear()
        sweeper.tick(100.0 + later_s)
        assert noted.notes == [*always, *(published + written if more is None else more)]


def test_only_clients_connections_are_looked_at() -> None:
    """Whatever else the server counts among its connections."""

    class Edge(EdgeProtocol):
        def __init__(self) -> None:
            self.moments: list[float] = []

        def expire(self, now_s: float) -> None:
            self.moments.append(now_s)

    edge = Edge()
    Sweeper(plane_of(Noted()), [object(), edge]).tick(7.0)
    assert edge.moments == [7.0]
