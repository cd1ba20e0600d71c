"""Shared of the contract tests: one running Tollhouse between clients and two simulated providers.

The demo workspace's providers answer what they are asked. The default workspace's providers play recorded answers:
some generated here, and those of the folder named by TOLLHOUSE_RECORDINGS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import msgspec
import pytest

from generated_recordings import GENERATED
from ledger_rows import LedgerRows
from stack import REPOSITORY, Stack

RECORDINGS_VARIABLE = "TOLLHOUSE_RECORDINGS"
OWN_PROVIDER_KEY = "sk-own-0123456789abcdef"
"""What a client with a provider key of its own sends where its SDK puts it."""
RECORDER_KEY = "sk-of-the-recorder"

KINDS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "groq": "groq",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "xai": "xai",
    "perplexity": "perplexity",
    "azure": "openai-compatible",
    "bedrock": "openai-compatible",
    "gateway": "anthropic-compatible",
    "vertex": "gemini",
}
"""The default workspace's providers, all of them the recorder."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends in one credential mode: its key, and a header more."""

    mode: str
    url: str
    api_key: str
    headers: dict[str, str]
    version: str = ""
    """Of the API, where an SDK has the choice."""


def recordings_folder() -> Path | None:
    """The folder of recorded answers, if it was named and is there."""
    named = os.environ.get(RECORDINGS_VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says so when the recorded answers were not played."""
    if recordings_folder() is None:
        terminalreporter.write_line(
            f"contract: no recorded answers ({RECORDINGS_VARIABLE} names no folder); generated ones alone were played",
            yellow=True,
        )


@pytest.fixture(scope="session")
def recorder_url() -> Iterator[str]:
    """Address of a simulated provider that plays recorded answers."""
    with tempfile.TemporaryDirectory(prefix="th-") as directory:
        for name, recording in GENERATED.items():
            (Path(directory) / f"{name}.json").write_text(json.dumps(recording))
        folder = recordings_folder()
        for path in sorted(folder.glob("*.json")) if folder else ():
            copyfile(path, Path(directory) / path.name)
        command = [sys.executable, "-m", "tollhouse.simulator", "--port", "0", "--recordings", directory]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            try:
                yield f"http://127.0.0.1:{ready['port']}"
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def stack(recorder_url: str) -> Iterator[Stack]:
    """Tollhouse as `tollhouse up --demo` starts it, with the recorder as the default workspace's providers."""
    # A client that leaves a silent provider must not keep the whole run waiting at its end.
    environment = {"TOLLHOUSE_LIMITS_DRAIN_TIMEOUT_S": "1", "RECORDER_KEY": RECORDER_KEY}
    for name, kind in KINDS.items():
        start = f"TOLLHOUSE_PROVIDERS_{name.upper()}_"
        environment[start + "KIND"] = kind
        environment[start + "BASE_URL"] = recorder_url
        environment[start + "ALLOW_PRIVATE"] = "true"
        environment[start + "KEY_ENV"] = "RECORDER_KEY"
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), environment=environment)
        try:
            yield stack.start()
        finally:
            stack.stop()


@pytest.fixture(scope="session")
def ledger(stack: Stack) -> Iterator[LedgerRows]:
    """The rows of all calls of this Tollhouse."""
    rows = LedgerRows(stack.owner_url())
    yield rows
    rows.close()


@pytest.fixture(params=["vault", "passthrough"])
def door(request: pytest.FixtureRequest, stack: Stack) -> Door:
    """Into the demo workspace, once in each credential mode."""
    return _door(stack, request.param)


@pytest.fixture
def vault(stack: Stack) -> Door:
    """Into the demo workspace with a gateway key alone."""
    return _door(stack, "vault")


@pytest.fixture
def passthrough(stack: Stack) -> Door:
    """Into the demo workspace with a provider key of the client's own."""
    return _door(stack, "passthrough")


def _door(stack: Stack, mode: str) -> Door:
    if mode == "vault":
        return Door(mode=mode, url=stack.gateway_url, api_key=stack.key, headers={})
    return Door(mode=mode, url=stack.gateway_url, api_key=OWN_PROVIDER_KEY, headers={"x-tollhouse-key": stack.key})
