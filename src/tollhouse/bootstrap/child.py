"""Child: one supervised process - started with its secrets through a pipe, watched, restarted, stopped in order.

A child's environment is scrubbed of every secret: what it must know comes through standard input, as one line, and the
pipe stays open for life, so that a child notices when its supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tollhouse.kernel.errors import TollhouseError

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH")
READY_TIMEOUT_S = 30.0


class ChildFailedError(TollhouseError):
    """A child process did not come up."""


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child may inherit: nothing that could hold a secret."""
    return {name: environment[name] for name in KEPT_VARIABLES if name in environment}


class Child:
    """One child process. `start` returns when it said that it is ready, with the line that it said it by."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        spec: bytes,
        log: Path | None,
        pass_fds: Sequence[int],
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._spec = spec
        self._log = log
        self._pass_fds = tuple(pass_fds)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, environment: Mapping[str, str]) -> bytes:
        """The first line of the child's standard output; ChildFailedError if it ends or is silent instead."""
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if self._log is not None else None
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=scrubbed(environment),
                pass_fds=self._pass_fds,
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(self._spec + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await process.stdout.readline()
        except (OSError, TimeoutError) as error:
            await self.stop(0.0)
            raise ChildFailedError(f"{self.name} did not start; its log is {self._log or 'above'}") from error
        if not line:
            await process.wait()
            raise ChildFailedError(f"{self.name} ended while it started; its log is {self._log or 'above'}")
        return line

    async def wait(self) -> int:
        """Waits for the end; the exit status."""
        assert self._process is not None, "waited for before it was started"
        return await self._process.wait()

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; the child finishes what it has begun."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def stop(self, grace_s: float) -> None:
        """Asks, waits for the grace period, then kills."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.ask_to_stop()
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
