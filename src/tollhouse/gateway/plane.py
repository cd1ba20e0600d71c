"""Plane: what one worker's corridor works with, wired once by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from tollhouse.gateway.head import Heads
from tollhouse.gateway.upstream import ConnectionPool
from tollhouse.identity.keys import Pepper
from tollhouse.ledger.ports import CallJournal
from tollhouse.routing.attempts import RetryBudget
from tollhouse.settings import Settings
from tollhouse.snapshot.model import Snapshot
from tollhouse.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from tollhouse.gateway.record import CallRecord


class SnapshotSource(Protocol):
    """Where the corridor takes its configuration from; never waits."""

    @property
    def current(self) -> Snapshot:
        """The newest that was loaded; an older one where the database cannot be asked. Never fails."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker's corridor reaches out through."""

    snapshots: SnapshotSource
    peppers: Mapping[int, Pepper]
    journal: CallJournal
    upstream: ConnectionPool
    metrics: Metrics


class Plane:
    """Ports of the data plane and the set of calls in flight."""

    def __init__(self, settings: Settings, ports: Ports, *, worker: str) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.snapshots = ports.snapshots
        self.heads = Heads(ports.peppers)
        self.journal = ports.journal
        self.upstream = ports.upstream
        self.metrics = ports.metrics
        self.worker = worker
        self.open: set[CallRecord] = set()
        self.retry_budget = RetryBudget()
        self.complaints: dict[str, float] = {}
        """Provider host to the monotonic moment from which it may be complained of again."""
        self.stopping = False
        self.loop = asyncio.get_running_loop()
