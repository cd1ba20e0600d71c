"""The simulated provider as a child: on a free port, and no longer there than its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from tollhouse.bootstrap import simulator_process


@pytest.fixture
def simulator() -> Iterator[subprocess.Popen[bytes]]:
    """Told by a line to take a free port."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", simulator_process.__name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        process.stdin.write(b"0\n")
        process.stdin.flush()
        yield process
        process.kill()


def test_it_says_its_port_and_ends_with_its_supervisor(simulator: subprocess.Popen[bytes]) -> None:
    """The end of the pipe is the end of the supervisor, however that came about."""
    assert simulator.stdout is not None and simulator.stdin is not None
    port = int(simulator.stdout.readline())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_simulator/billed") as answer:
        assert answer.status == 200
    assert simulator.poll() is None
    simulator.stdin.close()
    assert simulator.wait(10) == -signal.SIGTERM
