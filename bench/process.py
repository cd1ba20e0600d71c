"""Processes of a benchmark: started on a core of their own, and what they have used, as /proc tells it. Linux alone.

CPU is user and system time of a process, its descendants and those of them that have ended. A database that a process
tree brings along is told apart by its name, moved to the load's core and counted by itself.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

DATABASE = "postgres"
_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
REPOSITORY = Path(__file__).parents[1]
STOP_S = 60.0


class BenchError(Exception):
    """A benchmark that cannot be run, or whose answers were wrong; the message says which."""


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs where: what is measured, and everything else."""

    measured: int
    load: int


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """CPU µs of a process tree, and of the database in it."""

    own: float
    database: float

    def since(self, before: Spent) -> Spent:
        """What was spent between two readings."""
        return Spent(own=self.own - before.own, database=self.database - before.database)


def take_cores() -> Cores:
    """The two cores of this run; BenchError where there is one. Raises the limit of open files as far as it goes."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise BenchError("the benchmark needs two cores: one for what is measured, one for load and provider")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return Cores(measured=available[0], load=available[1])


class Process:
    """One process on one core (None: any). A context manager; ends what it started, by its id."""

    def __init__(
        self,
        command: Sequence[str],
        core: int | None,
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        output: bool = False,
    ) -> None:
        """Errors go to `log`; so does standard output with `output`, else it is read by `line` and `rest`."""
        self.log = log
        cores = os.sched_getaffinity(0) if core is None else {core}
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdout=file if output else subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=REPOSITORY,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def line(self) -> str:
        """The next line of its standard output; BenchError if it has ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self._process.args!r} ended early: {self.log.read_text()[-2000:]}")
        return line.strip()

    def rest(self) -> str:
        """All that it still says, up to its end; BenchError if that is a failure."""
        output, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise BenchError(f"{self._process.args!r} failed: {self.log.read_text()[-2000:]}")
        return output

    def stop(self) -> None:
        """Asks, waits, then kills."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of this repository."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def tree(root: int) -> dict[int, list[str]]:
    """A process and its descendants: id to the fields of its stat behind the name."""
    stats: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stats[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
    found, wanted = {}, [root]
    while wanted:
        pid = wanted.pop()
        if pid in stats:
            found[pid] = stats[pid]
            wanted += [other for other, fields in stats.items() if int(fields[_PARENT]) == pid]
    return found


def spent(root: int) -> Spent:
    """CPU so far."""
    own = database = 0.0
    for pid, fields in tree(root).items():
        used = sum(map(int, fields[_TIMES])) * _TICK_US
        if name_of(pid) == DATABASE:
            database += used
        else:
            own += used
    return Spent(own=own, database=database)


def name_of(pid: int) -> str:
    """The short name of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def move_database(root: int, core: int) -> None:
    """Puts the database of a tree on a core; what it forks later inherits it."""
    for pid in tree(root):
        if name_of(pid) == DATABASE:
            os.sched_setaffinity(pid, {core})


def worker_of(root: int) -> int:
    """The one gateway worker of a tree."""
    for pid in tree(root):
        if b"tollhouse.bootstrap.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise BenchError("there is no gateway worker")


def resident_kb(pid: int) -> int:
    """Resident memory of one process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise BenchError(f"process {pid} has no memory")


def settle_down(root: int, quiet_s: float = 0.4, timeout_s: float = 60.0) -> None:
    """Waits until a tree, its database aside, does next to nothing: what was recorded is shipped then."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        before = spent(root)
        time.sleep(quiet_s)
        if spent(root).since(before).own < quiet_s * 1_000_000 * 0.1:
            return
    raise BenchError("the gateway did not come to rest")
