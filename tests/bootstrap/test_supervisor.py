"""The supervisor: what it refuses to start over, what it says of itself, what it mends, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from stack import Stack
from tollhouse.bootstrap.supervisor import run_gateway, run_up
from tollhouse.kernel.errors import ConfigError
from tollhouse.settings import Settings
from tollhouse.storage.attached import running_database


@pytest.fixture
def quiet_log() -> Iterator[None]:
    """A supervisor that is started in this process sets up the process's log; afterwards it is as it was."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def is_alive(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("quiet_log")
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """With what to do, and before anything is started."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken; .* --gateway-port"):
            run_up(Settings(data_dir=tmp_path, gateway_port=port), demo=False, say=said.append)
    assert said == []
    assert not (tmp_path / "database").exists()


@pytest.mark.usefixtures("quiet_log")
def test_an_address_of_another_host_is_named(tmp_path: Path) -> None:
    """It cannot be listened on here."""
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.1 port 8080"):
        run_up(Settings(data_dir=tmp_path, host="203.0.113.1"), demo=False, say=print)


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot use the data directory .*file/data: Not a directory"):
        run_up(Settings(data_dir=tmp_path / "file" / "data"), demo=False, say=print)


def test_the_gateway_alone_needs_a_database(tmp_path: Path) -> None:
    """It brings none of its own."""
    with pytest.raises(ConfigError, match="needs DATABASE_URL; 'tollhouse up' brings"):
        run_gateway(Settings(data_dir=tmp_path / "data"), say=print)
    assert not (tmp_path / "data").exists()


def test_a_second_start_over_one_data_directory_is_refused(stack: Stack) -> None:
    """It names the first, and leaves it and what it has counted alone."""
    run_dir = stack.data_dir / "run"
    (published,) = stack.until(lambda: list(run_dir.glob("metrics-*.json")))
    before = {path.name for path in run_dir.glob("metrics-*.json")}
    published.with_name("metrics-g1-dead.json").write_text("{}")
    command = [sys.executable, "-m", "tollhouse.cli", "up", "--gateway-port", "0", "--data-dir", str(stack.data_dir)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert f"in use by process {stack.pid}: stop that one" in second.stdout + second.stderr
    assert {path.name for path in run_dir.glob("metrics-*.json")} == before | {"metrics-g1-dead.json"}
    assert json.loads((run_dir / "state.json").read_text())["pid"] == stack.pid
    published.with_name("metrics-g1-dead.json").unlink()


def test_it_says_where_it_is(stack: Stack) -> None:
    """In `run/state.json`, for the other commands; and at the terminal, with the time that each step took."""
    state = json.loads((stack.data_dir / "run" / "state.json").read_text())
    assert state == {"gateway_url": stack.gateway_url, "console_url": None, "pid": stack.pid}
    said = stack.output.read_text()
    for step in ("database", "schema", "demo workspace and simulated provider", "1 gateway worker(s)"):
        assert f"  {step}: " in said
    assert "ready in " in said and f"gateway   {stack.gateway_url}" in said
    for private in (stack.data_dir / "log" / "tollhouse.log", stack.data_dir):
        assert private.stat().st_mode & 0o077 == 0


def test_a_worker_that_dies_is_replaced(stack: Stack) -> None:
    """A new instance takes its place; the dead one is no longer counted as alive."""
    alive = stack.data_dir / "run" / "alive"
    before = alive.read_text()
    killed = stack.kill_worker()
    (fresh,) = stack.until(lambda: [pid for pid in stack.worker_pids() if pid != killed])
    stack.until(lambda: alive.read_text() not in ("", before))
    assert is_alive(fresh)
    assert "gateway worker 1 ended unexpectedly (status -9); starting another" in stack.output.read_text()
    assert '"worker.died"' in stack.log()


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_ends_in_order(place: Path, order: signal.Signals) -> None:
    """Status 0, nothing left running or listening, and no state left that says otherwise."""
    stack = Stack(place).start()
    url = stack.gateway_url
    worker, server = (
        stack.worker_pids()[0],
        int((stack.data_dir / "database" / "postmaster.pid").read_text().split()[0]),
    )
    assert stack.stop(order) == 0
    assert not is_alive(worker) and not is_alive(server)
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        urllib.request.urlopen(url + "/healthz", timeout=5)
    assert not (stack.data_dir / "run" / "state.json").exists()
    assert stack.output.read_text().rstrip().endswith("stopped")


def test_nothing_outlives_a_killed_supervisor_but_the_database(place: Path) -> None:
    """Workers and simulator notice by their pipes; the server is adopted by the next start, and then stopped."""
    stack = Stack(place).start()
    worker = stack.worker_pids()[0]
    server = int((stack.data_dir / "database" / "postmaster.pid").read_text().split()[0])
    key = stack.key
    os.kill(stack.pid, signal.SIGKILL)
    stack.until(lambda: not is_alive(worker), 20.0)
    assert is_alive(server) and running_database(stack.data_dir) is not None
    assert "worker.stopped" in stack.log(), "it stopped in order"
    stack.start()
    assert stack.key == key
    assert int((stack.data_dir / "database" / "postmaster.pid").read_text().split()[0]) == server
    assert stack.stop() == 0
    assert not is_alive(server)
