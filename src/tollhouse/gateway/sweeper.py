"""The worker's one timer: deadlines of all open calls, heads and idle connections, progress entries, metrics.

One task for all of them, so that no call owns a timer, a task or a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tollhouse.gateway.edge import EdgeProtocol
from tollhouse.gateway.plane import Plane
from tollhouse.telemetry.log import log

TICK_S = 0.25
PROGRESS_EVERY_S = 2.0
PUBLISH_EVERY_S = 1.0


class Sweeper:
    """Runs until cancelled; a tick that fails is counted and logged, and the next one comes."""

    def __init__(self, plane: Plane, connections: Iterable[EdgeProtocol]) -> None:
        self._plane = plane
        self._connections = connections
        self._progress_due_s = 0.0
        self._publish_due_s = 0.0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self.tick(self._plane.loop.time())
            except OSError as error:
                log("metrics.unwritable", "error", error=error)

    def tick(self, now_s: float) -> None:
        """One pass at a monotonic moment."""
        plane = self._plane
        for record in tuple(plane.open):
            record.check_deadline(now_s)
        for connection in tuple(self._connections):
            connection.expire(now_s)
        plane.upstream.sweep(now_s)
        if now_s >= self._publish_due_s:
            self._publish_due_s = now_s + PUBLISH_EVERY_S
            self._publish(now_s)
        if now_s >= self._progress_due_s:
            self._progress_due_s = now_s + PROGRESS_EVERY_S
            self._write_progress()

    def _write_progress(self) -> None:
        entries = [entry for record in self._plane.open if (entry := record.progress()) is not None]
        if entries:
            self._plane.journal.progress(entries)

    def _publish(self, now_s: float) -> None:
        metrics = self._plane.metrics
        metrics.gauge("tollhouse_open_calls", len(self._plane.open))
        metrics.gauge("tollhouse_snapshot_age_seconds", now_s - self._plane.snapshots.current.loaded_s)
        metrics.publish()
