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


def test_every_clients_connection_is_looked_at() -> None:
    """Also where one of them ends by it, and so leaves the set that is walked."""

    class Edge(EdgeProtocol):
        def __init__(self, connections: set[EdgeProtocol]) -> None:
            self.moments: list[float] = []
            self.connections = connections
            connections.add(self)

        def expire(self, now_s: float) -> None:
            self.moments.append(now_s)
            self.connections.discard(self)

    connections: set[EdgeProtocol] = set()
    edges = [Edge(connections) for _ in range(3)]
    Sweeper(plane_of(Noted()), connections).tick(7.0)
    assert [edge.moments for edge in edges] == [[7.0]] * 3
    assert connections == set()
