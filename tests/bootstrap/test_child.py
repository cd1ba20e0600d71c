"""A supervised process: what it inherits, how it says that it is ready, how it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tollhouse.bootstrap.child import KEPT_VARIABLES, Child, ChildFailedError, scrubbed

pytestmark = pytest.mark.anyio

READY = """
import json, os, sys
spec = sys.stdin.readline().strip()
print("a word on standard error", file=sys.stderr, flush=True)
print(json.dumps({"spec": spec, "environment": dict(os.environ), "arguments": sys.argv[1:]}), flush=True)
sys.stdin.read()
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"

Make = Callable[[str], Child]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A child that runs some code, with a log."""

    def make(code: str) -> Child:
        (tmp_path / "made_up_child.py").write_text(code)
        log = tmp_path / "child.log"
        return Child("the child", "made_up_child", ("one",), spec=b"the spec", log=log, pass_fds=())

    return make


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a supervisor that knows secrets."""
    secrets = {"DATABASE_URL": "postgresql://u:p@h/d", "OPENAI_API_KEY": "sk-live", "TOLLHOUSE_PEPPER": "aa"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **secrets}


async def test_only_what_holds_no_secret_is_inherited() -> None:
    """By a list of what may, since nobody can list what may not."""
    given = dict.fromkeys(KEPT_VARIABLES, "x") | {"DATABASE_URL": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    assert scrubbed(given) == dict.fromkeys(KEPT_VARIABLES, "x")


async def test_it_says_its_first_line_when_it_is_ready(make: Make, environment: dict[str, str], tmp_path: Path) -> None:
    """What it must know came through its standard input; neither environment nor command line tells a secret."""
    child = make(READY)
    assert child.pid is None
    told = json.loads(await child.start(environment))
    assert told["spec"] == "the spec"
    assert told["arguments"] == ["one"]
    assert set(told["environment"]) <= {*KEPT_VARIABLES, "LC_CTYPE"}
    assert child.pid is not None and os.getsid(child.pid) == child.pid
    await child.stop(5.0)
    assert child.pid is None
    assert (tmp_path / "child.log").read_text() == "a word on standard error\n"
    assert (tmp_path / "child.log").stat().st_mode & 0o777 == 0o600


async def test_one_that_ends_while_it_starts_is_an_error(make: Make, environment: dict[str, str]) -> None:
    """That names its log, where the reason stands."""
    child = make("import sys; sys.exit('a reason')")
    with pytest.raises(ChildFailedError, match=r"the child ended while it started; its log is .*child\.log"):
        await child.start(environment)
    assert child.pid is None


async def test_stopping_asks_first(make: Make, environment: dict[str, str]) -> None:
    """SIGTERM ends one that listens; stopping it again does nothing."""
    child = make(READY)
    await child.start(environment)
    await child.stop(5.0)
    assert await child.wait() == -signal.SIGTERM
    await child.stop(5.0)
    child.ask_to_stop()


async def test_one_that_does_not_listen_is_killed_after_its_grace(make: Make, environment: dict[str, str]) -> None:
    """Not before."""
    child = make(DEAF)
    await child.start(environment)
    await child.stop(0.2)
    assert await child.wait() == -signal.SIGKILL


async def test_one_that_was_never_started_can_be_stopped(make: Make) -> None:
    """An order to stop may come before it."""
    child = make(READY)
    child.ask_to_stop()
    await child.stop(0.0)
