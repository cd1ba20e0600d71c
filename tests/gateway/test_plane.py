"""The plane: what a worker's corridor finds in it at the beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients import Client
from granted import Granted
from tollhouse.gateway.dialing import Dialer
from tollhouse.gateway.head import Head
from tollhouse.gateway.plane import Plane, Ports, SnapshotSource
from tollhouse.gateway.upstream import ConnectionPool
from tollhouse.ledger.journal import Journal
from tollhouse.settings import Limits, Settings
from tollhouse.snapshot.model import Snapshot
from tollhouse.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


class NoSnapshot(SnapshotSource):
    """Where nothing was configured."""

    @property
    def current(self) -> Snapshot:
        """There is none."""
        raise AssertionError("nobody asks for it here")


async def test_a_plane_begins_with_its_ports_and_no_call(tmp_path: Path) -> None:
    """Each port under its own name, the limits at hand, nothing open, nothing stopping."""
    settings = Settings(data_dir=tmp_path, limits=Limits(body_bytes_max=7))
    journal = Journal(tmp_path, "g1")
    granted = Granted()
    ports = Ports(
        snapshots=NoSnapshot(),
        peppers=granted.peppers,
        journal=journal,
        upstream=ConnectionPool(Dialer(connect_timeout_s=1.0), idle_max=1, idle_timeout_s=1.0, buffer_bytes_max=1024),
        metrics=Metrics(tmp_path, "g1"),
    )
    plane = Plane(settings, ports, worker="g1")
    journal.close()
    kept = [name for name in Ports.__struct_fields__ if name != "peppers"]
    assert [getattr(plane, name) for name in kept] == [getattr(ports, name) for name in kept]
    assert (plane.settings, plane.limits.body_bytes_max, plane.worker) == (settings, 7, "g1")
    assert (plane.open, plane.stopping) == (set(), False)
    # The peppers are where heads are read: a key under them is known.
    client = Client(settings.limits)
    client.send(b"GET /v1/models HTTP/1.1\r\nhost: h\r\nx-tollhouse-key: " + granted.text + b"\r\n\r\n")
    head = plane.heads.read(client.request, granted.keys, granted.now)
    assert isinstance(head, Head) and head.caller.grant is granted.grant
