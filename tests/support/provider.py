"""Provider: a simulated provider in a process of its own, which outlives the Tollhouse that sends to it.

`tollhouse up --demo` brings one that ends with it, and its bill with it; a proof that kills Tollhouse needs a witness.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

SERVED = ("openai", "anthropic", "gemini")
KEY_VARIABLE = "WITNESS_PROVIDER_KEY"


class Provider:
    """A context: the simulator runs inside it."""

    def __init__(self, recordings: Path | None = None) -> None:
        self._recordings = recordings
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tollhouse.simulator", "--port", "0"]
        if self._recordings is not None:
            command += ["--recordings", str(self._recordings)]
        environment = {"PATH": os.environ["PATH"]}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{ready['port']}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def environment(self, key: str = "sk-witness") -> dict[str, str]:
        """Settings that make it the default workspace's openai, anthropic and gemini, with a key of the vault."""
        values = {KEY_VARIABLE: key}
        for name in SERVED:
            start = f"TOLLHOUSE_PROVIDERS_{name.upper()}_"
            values |= {start + "KIND": name, start + "BASE_URL": self.url, start + "ALLOW_PRIVATE": "true"}
            values[start + "KEY_ENV"] = KEY_VARIABLE
        return values

    def bills(self) -> list[dict[str, Any]]:
        """Every answer that it billed, oldest first."""
        return list(self._ask("/_simulator/billed")["bills"])

    def received(self) -> int:
        """Requests that reached it."""
        return int(self._ask("/_simulator/billed?last=1")["received"])

    def requests(self, last: int) -> list[dict[str, Any]]:
        """The last requests as they came."""
        return list(self._ask(f"/_simulator/requests?last={last}")["requests"])

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)
