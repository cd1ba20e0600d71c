"""Stack: a whole Tollhouse for a test - `tollhouse up --demo` as users start it, on free ports, in its own directory.

The only pretend part is the provider. The ledger is read over the owner's connection, so that a test sees every row.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tollhouse.storage.attached import running_database

START_S = 60.0
REPOSITORY = Path(__file__).parents[2]


class Stack:
    """One running Tollhouse. `start` and `stop` may be repeated: the data directory stays."""

    def __init__(
        self,
        directory: Path,
        *,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.data_dir = directory / "data"
        self.output = directory / "up.log"
        self._workers = workers
        self._environment = dict(environment or {})
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._demo: dict[str, Any] = {}

    def start(self) -> Stack:
        """Starts it and waits until it says that it is ready."""
        begun = self.output.stat().st_size if self.output.exists() else 0
        command = [sys.executable, "-m", "tollhouse.cli", "up", "--demo", "--gateway-port", "0"]
        command += ["--workers", str(self._workers), "--data-dir", str(self.data_dir), *self._arguments]
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self._environment}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, start_new_session=True, cwd=REPOSITORY
            )
        deadline = time.monotonic() + START_S
        while b"Calls appear here" not in self.output.read_bytes()[begun:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"tollhouse did not start:\n{self.output.read_text()}\n{self.log()}")
            time.sleep(0.05)
        self._demo = json.loads((self.data_dir / "demo.json").read_text())
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 60.0) -> int:
        """Tells it to stop and waits for its end; the exit status."""
        if self._process is None or self._process.poll() is not None:
            return self._process.returncode if self._process is not None else 0
        self._process.send_signal(number)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def gateway_url(self) -> str:
        return str(self._demo["gateway_url"])

    @property
    def simulator_url(self) -> str:
        return str(self._demo["simulator_url"])

    @property
    def key(self) -> str:
        """A gateway key of the demo workspace."""
        return str(self._demo["key"])

    @property
    def own_key(self) -> str:
        """A gateway key of the default workspace."""
        return str(self._demo["own_key"])

    def log(self) -> str:
        """What supervisor and children logged."""
        path = self.data_dir / "log" / "tollhouse.log"
        return path.read_text() if path.exists() else ""

    def worker_pids(self) -> list[int]:
        """Processes of gateway workers that are alive."""
        return [pid for pid in _children(self.pid) if "tollhouse.bootstrap.worker" in _command_line(pid)]

    def kill_worker(self, index: int = 0) -> int:
        """kill -9 of a worker; its pid."""
        pid = self.worker_pids()[index]
        os.kill(pid, signal.SIGKILL)
        return pid

    # The ledger

    def calls(self) -> list[dict[str, Any]]:
        """Every call in the ledger, oldest first, columns as stored; call_id in 32 hex digits."""
        with psycopg.connect(self.owner_url(), row_factory=dict_row) as connection:
            rows = connection.execute("SELECT * FROM th.calls ORDER BY started_at, call_id").fetchall()
        for row in rows:
            row["call_id"] = row["call_id"].hex
        return rows

    def owner_url(self) -> str:
        url = running_database(self.data_dir)
        assert url is not None, "the embedded database does not run"
        return url

    def call(self, request_id: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """The one row of a call by its `x-tollhouse-request-id`; waits until it has been shipped."""
        wanted = request_id.removeprefix("req_")
        rows = self.until(lambda: [row for row in self.calls() if row["call_id"] == wanted], timeout_s)
        assert len(rows) == 1
        return rows[0]

    def new_calls(self, known: int, count: int, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The `count` rows that came after the first `known`; waits for them, and sees that no more come at once."""
        self.until(lambda: len(self.calls()) >= known + count, timeout_s)
        time.sleep(0.3)
        rows = self.calls()
        assert len(rows) == known + count, f"expected {count} new calls, found {len(rows) - known}"
        return rows[known:]

    @staticmethod
    def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """The condition's first truthy value; an assertion fails if there is none in time."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        return value

    # The simulated provider

    def billed(self) -> dict[str, Any]:
        """What the simulated provider counted."""
        return self._simulator("/_simulator/billed")

    def provider_requests(self, last: int = 1) -> list[dict[str, Any]]:
        """The last requests as the simulated provider received them."""
        answer = self._simulator(f"/_simulator/requests?last={last}")
        return list(answer["requests"] if isinstance(answer, dict) else answer)

    def reset_simulator(self) -> None:
        urllib.request.urlopen(urllib.request.Request(self.simulator_url + "/_simulator/reset", method="POST")).close()

    def _simulator(self, path: str) -> Any:
        with urllib.request.urlopen(self.simulator_url + path) as answer:
            return json.load(answer)


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
