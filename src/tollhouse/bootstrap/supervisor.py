"""Supervisor: `tollhouse up` and `tollhouse gateway` - database, simulator, workers: up in order, down in reverse.

Says every step and how long it took. A worker that dies is replaced; its journal is recovered by its siblings or its
successor. An embedded database that dies is started again; until it answers, calls are served and wait in the journals.
Stopping: no new calls, open calls finish, journals are shipped, then the simulator, then the database.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import msgspec

from tollhouse.bootstrap.child import Child, ChildFailedError
from tollhouse.bootstrap.demo import Demo, prepare_demo, write_demo_file
from tollhouse.bootstrap.ending import end_tasks
from tollhouse.bootstrap.live import follow_calls
from tollhouse.bootstrap.worker import WorkerSpec
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.settings import Settings, to_wire
from tollhouse.snapshot.providers import configured_providers
from tollhouse.storage.embedded import EmbeddedPostgres
from tollhouse.storage.migrate import migrate
from tollhouse.storage.postgres import DatabaseUrls
from tollhouse.storage.secret_file import load_secret
from tollhouse.telemetry.log import configure, log

Say = Callable[[str], None]
Done = TypeVar("Done")

RESTART_PAUSE_FIRST_S = 0.05
RESTART_PAUSE_MAX_S = 5.0
STEADY_S = 10.0
DATABASE_LOOK_EVERY_S = 0.5
STOP_MARGIN_S = 25.0
"""Beyond the grace period, for shipping."""


def run_up(settings: Settings, *, demo: bool, say: Say) -> int:
    """Everything, until told to stop; the exit status."""
    return asyncio.run(Supervisor(settings, say).run(embedded=settings.database_url is None, demo=demo))


def run_gateway(settings: Settings, *, say: Say) -> int:
    """The gateway's workers alone, against a database of one's own."""
    if settings.database_url is None:
        raise ConfigError("the gateway alone needs DATABASE_URL; 'tollhouse up' brings a database of its own")
    return asyncio.run(Supervisor(settings, say).run(embedded=False, demo=False))


class Supervisor:
    """The parent of everything that runs on this host."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings = settings
        self._say = say
        self._stop = asyncio.Event()
        self._began_s = time.monotonic()
        self._workers: dict[int, Child] = {}
        self._instances: dict[int, str] = {}
        self._run_dir = settings.data_dir / "run"
        self._log = settings.data_dir / "log" / "tollhouse.log"

    async def run(self, *, embedded: bool, demo: bool) -> int:
        """Starts, serves until a signal, stops; 0, or 1 where something could not be started."""
        self._prepare()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            listener = self._listen()
            stack.callback(listener.close)
            urls = await self._database(stack, embedded)
            settings = self._settings
            prepared = None
            if demo:
                prepared = await self._step("demo workspace and simulated provider", self._demo(stack, urls))
                settings = prepared.settings(settings)
            await self._step(
                f"{settings.workers} gateway worker(s)", self._start_workers(stack, settings, urls, listener)
            )
            self._write_state(listener)
            stack.callback(self._forget_state)
            self._announce(listener, prepared)
            await self._serve(urls, listener)
        self._say("stopped")
        return 0

    def _prepare(self) -> None:
        # What is wrong with a provider's table is said here, by name, and not by a worker that cannot start.
        configured_providers(self._settings.providers)
        try:
            for directory in (self._settings.data_dir, self._run_dir, self._log.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot use the data directory {self._settings.data_dir}: {error.strerror}") from error
        configure(self._settings.log_level, os.fdopen(descriptor, "a", buffering=1), worker="supervisor")

    def _listen(self) -> socket.socket:
        host, port = self._settings.host, self._settings.gateway_port
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} on {host} is taken; stop what uses it, or choose another with --gateway-port"
                ) from error
            raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        return listener

    async def _database(self, stack: AsyncExitStack, embedded: bool) -> DatabaseUrls:
        secret = await asyncio.to_thread(load_secret, self._settings.data_dir, self._settings.database_secret)
        owner_url = self._settings.database_url
        if embedded:
            server = EmbeddedPostgres(self._settings.data_dir)
            owner_url = await self._step("database", asyncio.to_thread(server.start, self._say_detail))
            stack.callback(server.stop)
            log("database.started")
            stack.push_async_callback(self._end, asyncio.create_task(self._watch_database(server)))
        assert owner_url is not None, "neither an embedded database nor a URL"
        urls, applied = await self._step("schema", asyncio.to_thread(migrate, owner_url, secret))
        for name in applied:
            self._say_detail(f"applied {name}")
        return urls

    async def _demo(self, stack: AsyncExitStack, urls: DatabaseUrls) -> Demo:
        demo = await prepare_demo(self._settings, urls)
        simulator = Child(
            "the simulated provider",
            "tollhouse.bootstrap.simulator_process",
            (),
            spec=str(demo.simulator_port).encode(),
            log=self._log,
            pass_fds=(),
        )
        port = int(await simulator.start(os.environ))
        stack.push_async_callback(simulator.stop, 5.0)
        return msgspec.structs.replace(demo, simulator_port=port)

    async def _start_workers(
        self, stack: AsyncExitStack, settings: Settings, urls: DatabaseUrls, listener: socket.socket
    ) -> None:
        # Not before the directory is known to be ours: the counts of a Tollhouse that runs over it must not be lost.
        for old in self._run_dir.glob("metrics-*"):
            old.unlink(missing_ok=True)
        stack.push_async_callback(self._stop_workers)
        self._wire_settings = to_wire(settings)
        self._gateway_dsn = urls.gateway
        self._listen_fd = listener.fileno()
        await asyncio.gather(*(self._start_worker(slot) for slot in range(settings.workers)))
        for slot in range(settings.workers):
            watcher = asyncio.create_task(self._watch(slot))
            stack.callback(watcher.cancel)

    async def _start_worker(self, slot: int) -> None:
        instance = f"g{slot + 1}-{int(time.time()):x}-{secrets.token_hex(3)}"
        spec = WorkerSpec(
            settings=msgspec.Raw(self._wire_settings),
            listen_fd=self._listen_fd,
            instance=instance,
            gateway_dsn=self._gateway_dsn,
            run_dir=str(self._run_dir),
        )
        worker = Child(
            f"gateway worker {slot + 1}",
            "tollhouse.bootstrap.worker",
            (),
            spec=msgspec.json.encode(spec),
            log=self._log,
            pass_fds=(self._listen_fd,),
        )
        # Known before it is ready, so that an order to stop reaches it whenever it comes.
        self._workers[slot] = worker
        await worker.start(os.environ)
        self._instances[slot] = instance
        self._write_alive()

    async def _watch(self, slot: int) -> None:
        """Replaces a worker that ends unasked; pauses grow while it keeps ending at once."""
        pause_s = RESTART_PAUSE_FIRST_S
        while True:
            began_s = time.monotonic()
            status = await self._workers[slot].wait()
            if self._stop.is_set():
                return
            log("worker.died", "error", slot=slot + 1, status=status)
            self._say(f"gateway worker {slot + 1} ended unexpectedly (status {status}); starting another")
            pause_s = RESTART_PAUSE_FIRST_S if time.monotonic() - began_s > STEADY_S else pause_s
            while not self._stop.is_set():
                try:
                    await self._start_worker(slot)
                    break
                except ChildFailedError as error:
                    log("worker.died", "error", slot=slot + 1, error=error)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, RESTART_PAUSE_MAX_S)

    async def _watch_database(self, server: EmbeddedPostgres) -> None:
        """Starts a database that ended unasked; pauses grow while it does not come up."""
        while not await self._told_to_stop(DATABASE_LOOK_EVERY_S):
            if server.is_running():
                continue
            log("database.died", "error")
            self._say("the database ended unexpectedly; starting it again")
            pause_s = RESTART_PAUSE_FIRST_S
            while not self._stop.is_set():
                try:
                    await asyncio.to_thread(server.start, self._say_detail)
                    log("database.started")
                    break
                except StorageError as error:
                    log("database.unstartable", "error", reason=str(error))
                    await self._told_to_stop(pause_s)
                    pause_s = min(2 * pause_s, RESTART_PAUSE_MAX_S)

    async def _told_to_stop(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self._stop.wait()
        except TimeoutError:
            return False

    async def _end(self, watcher: asyncio.Task[None]) -> None:
        """Waits for a task that ends when told to stop: what it is doing must not be cut short."""
        self._stop.set()
        await watcher

    async def _stop_workers(self) -> None:
        self._stop.set()
        grace_s = self._settings.limits.grace_period_s + STOP_MARGIN_S
        await asyncio.gather(*(worker.stop(grace_s) for worker in self._workers.values()))

    async def _serve(self, urls: DatabaseUrls, listener: socket.socket) -> None:
        follower = asyncio.create_task(follow_calls(urls, self._say))
        await self._stop.wait()
        # The workers close theirs: with the last one, who comes now is refused instead of left waiting.
        listener.close()
        log("supervisor.stopping")
        self._say("stopping: open calls finish, what is recorded is shipped …")
        await end_tasks([follower])

    async def _step(self, what: str, work: Awaitable[Done]) -> Done:
        began_s = time.monotonic()
        done = await work
        self._say(f"  {what}: {time.monotonic() - began_s:.1f} s")
        return done

    def _say_detail(self, text: str) -> None:
        self._say(f"    {text}")

    def _write_alive(self) -> None:
        try:
            (self._run_dir / "alive").write_text(" ".join(sorted(self._instances.values())), "utf-8")
        except OSError as error:
            # The gauges of a new worker are not shown until the next change; that is no reason to go without it.
            log("metrics.unwritable", "error", error=error)

    def _write_state(self, listener: socket.socket) -> None:
        state = {"gateway_url": self._url(listener), "console_url": None, "pid": os.getpid()}
        (self._run_dir / "state.json").write_bytes(msgspec.json.encode(state))

    def _forget_state(self) -> None:
        (self._run_dir / "state.json").unlink(missing_ok=True)

    def _url(self, listener: socket.socket) -> str:
        host = self._settings.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104
        return f"http://{shown}:{listener.getsockname()[1]}"

    def _announce(self, listener: socket.socket, demo: Demo | None) -> None:
        url = self._url(listener)
        self._say(f"ready in {time.monotonic() - self._began_s:.1f} s")
        self._say(f"gateway   {url}")
        if demo is not None:
            write_demo_file(self._settings.data_dir, demo, url)
            for line in demo.invitation(url):
                self._say(line)
        self._say("Calls appear here as they end; Ctrl-C stops.")
