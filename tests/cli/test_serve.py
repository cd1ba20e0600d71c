"""The commands that run on: what reaches them from the command line, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import tollhouse as package


def test_simulate_serves_until_told(tmp_path: Path) -> None:
    """It says its port once it can be used, and ends cleanly."""
    path = {"PYTHONPATH": str(Path(package.__file__).parents[1]), "TOLLHOUSE_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tollhouse.cli", "simulate", "--port", "0", "--json"]
    with subprocess.Popen(command, env=os.environ | path, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            said = json.loads(simulator.stdout.readline())
            asked = urllib.request.Request(
                f"{said['url']}/v1/chat/completions",
                b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}',
                {"content-type": "application/json", "authorization": "Bearer x"},
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert json.load(answer)["usage"]["total_tokens"] > 0
            simulator.send_signal(signal.SIGINT)
            simulator.communicate(timeout=20)
        finally:
            simulator.kill()
    assert said["event"] == "simulator.ready"
    assert simulator.returncode == 0


def test_gateway_alone_needs_a_database(bare: Any, tmp_path: Path) -> None:
    """It says which variable."""
    done = bare("gateway", "--data-dir", str(tmp_path))
    assert done.exit_code == 1
    assert "DATABASE_URL" in done.stderr


def test_ports_are_checked(bare: Any, tmp_path: Path) -> None:
    """Before anything is started."""
    done = bare("up", "--gateway-port", "70000", "--data-dir", str(tmp_path / "data"))
    assert (done.exit_code, done.stderr) == (
        1,
        "tollhouse: --gateway-port: must be between 0 and 65535 (0 picks a free port)\n",
    )
    assert not (tmp_path / "data").exists()
