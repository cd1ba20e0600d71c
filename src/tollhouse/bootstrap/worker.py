"""A gateway worker: one process, one event loop, wired here. `python -m tollhouse.bootstrap.worker`.

Its settings come as one line on standard input, secrets included; the pipe stays open, and its end means that the
supervisor is gone, which is taken as an order to stop. Order of stopping: no new connections, open calls finish within
the grace period, the journal is shipped, the connections to the database are closed.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import signal
import socket
import sys
from pathlib import Path

import msgspec
import uvloop

from tollhouse.bootstrap.database import LedgerGate
from tollhouse.bootstrap.ending import end_tasks
from tollhouse.gateway.app import GatewayApp
from tollhouse.gateway.dialing import Dialer
from tollhouse.gateway.edge import listen
from tollhouse.gateway.plane import Plane, Ports
from tollhouse.gateway.sweeper import Sweeper
from tollhouse.gateway.upstream import ConnectionPool
from tollhouse.identity.pepper import load_peppers
from tollhouse.kernel.errors import StorageError
from tollhouse.ledger.journal import Journal, JournalTuning
from tollhouse.ledger.journal_sync import JournalSync
from tollhouse.ledger.recovery import RecoveryTuning, recover
from tollhouse.ledger.shipper import Shipper, ShipperTuning
from tollhouse.settings import Settings, from_wire
from tollhouse.snapshot.refresher import Refresher
from tollhouse.telemetry.log import configure, log
from tollhouse.telemetry.metrics import Metrics

RECOVER_EVERY_S = 5.0
PARTITIONS_EVERY_S = 3600.0
DESCRIPTORS_MAX = 500_000
DESCRIPTORS_KEPT = 256
"""For the journal, the database, idle connections and the log."""
SHIP_AT_STOP_S = 20.0
LEVELS = {"journal.unwritable": "error", "journal.closing_lost": "error", "shipper.row_rejected": "error"}


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor tells its worker. Holds passwords: it goes through a pipe, nowhere else."""

    settings: msgspec.Raw
    listen_fd: int
    instance: str
    gateway_dsn: str
    run_dir: str


class Worker:
    """Everything that one worker owns, in the order in which it is started; stopped in reverse."""

    def __init__(self, spec: WorkerSpec, settings: Settings) -> None:
        self._spec = spec
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._journal_troubles: str | None = None

    async def run(self) -> None:
        """Serves until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        await self._watch_supervisor()
        await self._wire()
        await self._serve()

    async def _wire(self) -> None:
        settings, spec = self._settings, self._spec
        self.gate = LedgerGate(spec.gateway_dsn)
        peppers = load_peppers(settings.data_dir, settings.pepper)
        self.refresher = Refresher(spec.gateway_dsn, settings)
        await self.refresher.start()
        self.metrics = Metrics(Path(spec.run_dir), spec.instance)
        self.journal = Journal(
            settings.data_dir,
            spec.instance,
            tuning=JournalTuning(durability=settings.journal.durability, journal_bytes_max=settings.journal.bytes_max),
            notice=self._notice,
        )
        self.sync = JournalSync(self.journal)
        self.sync.start()
        self.shipper = Shipper(
            self.journal,
            self.gate.settle,
            random=random.random,
            tuning=ShipperTuning(retention_s=settings.journal.retention_s),
            notice=self._notice,
        )
        limits = settings.limits
        upstream = ConnectionPool(
            Dialer(connect_timeout_s=limits.connect_timeout_s),
            idle_max=limits.upstream_idle_connections_max,
            idle_timeout_s=limits.upstream_idle_timeout_s,
            buffer_bytes_max=limits.stream_buffer_bytes_max,
        )
        ports = Ports(
            snapshots=self.refresher,
            peppers=peppers.by_version,
            journal=self.journal,
            upstream=upstream,
            metrics=self.metrics,
        )
        self.plane = Plane(settings, ports, worker=spec.instance)

    async def _serve(self) -> None:
        app = GatewayApp(self.plane, troubles=self._troubles, alive=self._alive)
        factory, connections = listen(app.serve, self._settings.limits, _connections_max())
        sweeper = Sweeper(self.plane, connections)
        self._tasks += [
            self._loop.create_task(work)
            for work in (self.refresher.run(), self.shipper.run(), sweeper.run(), self._tend(), self._measure())
        ]
        listener = socket.socket(fileno=self._spec.listen_fd)
        server = await self._loop.create_server(factory, sock=listener, backlog=2048)
        _settle_memory()
        log("worker.started")
        sys.stdout.write('{"event":"ready"}\n')
        sys.stdout.flush()
        await self._stop.wait()
        log("worker.stopping", open_calls=len(self.plane.open))
        self.plane.stopping = True
        server.close()
        for connection in tuple(connections):
            connection.shutdown()
        await self._finish_calls()
        await self._close()

    async def _finish_calls(self) -> None:
        deadline_s = self._loop.time() + self._settings.limits.grace_period_s
        await self._until_calls_end(deadline_s)
        for record in tuple(self.plane.open):
            record.stop()
        await self._until_calls_end(deadline_s + 1.0)

    async def _until_calls_end(self, deadline_s: float) -> None:
        # A signal would have to be given at the end of every call, for the sake of the one moment of stopping.
        while self.plane.open and self._loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _close(self) -> None:
        self.plane.upstream.close()
        shipped = await self.shipper.drain(SHIP_AT_STOP_S)
        await end_tasks(self._tasks)
        self.sync.stop()
        self.journal.close()
        self._measure_once()
        try:
            self.metrics.publish()
        except OSError as error:
            log("metrics.unwritable", "error", error=error)
        await self.refresher.stop()
        await self.gate.close()
        log("worker.stopped", shipped=shipped)

    async def _tend(self) -> None:
        """Recovers the journals of dead workers of this host, and has partitions made ahead."""
        partitions_due_s = 0.0
        tuning = RecoveryTuning(retention_s=self._settings.journal.retention_s)
        while True:
            report = await recover(self._settings.data_dir, settle=self.gate.settle, tuning=tuning, notice=self._notice)
            if report.lost_calls:
                self.metrics.count("tollhouse_recovered_calls", report.lost_calls)
                log("worker.recovered", "warning", calls=report.lost_calls)
            if self._loop.time() >= partitions_due_s:
                try:
                    await self.gate.ensure_partitions()
                    partitions_due_s = self._loop.time() + PARTITIONS_EVERY_S
                except StorageError as error:
                    log("partition.retry", "warning", error=error)
            await asyncio.sleep(RECOVER_EVERY_S)

    async def _measure(self) -> None:
        while True:
            self._measure_once()
            await asyncio.sleep(1.0)

    def _notice(self, event: str, /, **fields: int | float | str) -> None:
        """The ledger's notices as log events."""
        if event == "shipper.retry":
            self.metrics.count("tollhouse_ledger_retries")
        log(event, LEVELS.get(event, "info"), **fields)

    def _measure_once(self) -> None:
        metrics, shipper = self.metrics, self.shipper
        metrics.gauge("tollhouse_journal_unshipped_bytes", shipper.unshipped_bytes)
        metrics.gauge("tollhouse_journal_unshipped_seconds", shipper.oldest_unshipped_s)
        metrics.gauge("tollhouse_ready", 0 if self._troubles() else 1)
        metrics.state.counters["tollhouse_ledger_shipped"][""] = shipper.settled_total
        metrics.state.counters["tollhouse_ledger_rejected"][""] = shipper.rejected_total

    def _troubles(self) -> list[str]:
        troubles = []
        if not self.journal.healthy:
            troubles.append("journal")
        if self._loop.time() - self.refresher.current.loaded_s > self._settings.snapshot_max_age_s:
            troubles.append("snapshot")
        return troubles

    def _alive(self) -> list[str]:
        try:
            return (Path(self._spec.run_dir) / "alive").read_text("utf-8").split()
        except OSError:
            # Run alone, without a supervisor that keeps the list.
            return [self._spec.instance]

    async def _watch_supervisor(self) -> None:
        reader = asyncio.StreamReader()
        await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

        async def until_gone() -> None:
            await reader.read()
            self._stop.set()

        self._tasks.append(self._loop.create_task(until_gone()))


def _connections_max() -> int:
    """Raises the limit of open files as far as it goes. A client's connection may need one to a provider beside it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return DESCRIPTORS_MAX
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(16, (hard - DESCRIPTORS_KEPT) // 2)


def _settle_memory() -> None:
    """What is there now stays for life: the collector need not look at it again and again, nor as often at the rest.

    Calls leave no cycles behind, so that reference counts alone free what they used.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def main() -> None:
    """Entry of the worker process."""
    line = sys.stdin.buffer.readline()
    spec = msgspec.json.decode(line, type=WorkerSpec)
    settings = from_wire(bytes(spec.settings))
    configure(settings.log_level, worker=spec.instance)
    uvloop.run(_run(spec, settings))


async def _run(spec: WorkerSpec, settings: Settings) -> None:
    await Worker(spec, settings).run()


if __name__ == "__main__":
    main()
