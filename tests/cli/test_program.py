"""The program as a whole: help is quick, every command has what the contract says, statuses are 0, 1 and 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import tollhouse
from tollhouse.cli import make_application

HEAVY = ("psycopg", "asyncio", "rich", "uvicorn", "tollhouse.gateway", "tollhouse.storage.postgres")


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from _commands(inner, (*path, name))
        else:
            yield " ".join((*path, name)), inner


COMMANDS = dict(_commands(get_command(make_application())))


def test_commands_are_found_by_file_name() -> None:
    """Every group's commands are there."""
    assert set(COMMANDS) == {
        *("up", "gateway", "simulate", "spend", "doctor"),
        *("calls list", "calls explain", "calls tail", "keys create", "keys list", "keys revoke"),
        *("workspaces create", "workspaces list", "prices show", "db migrate"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_common_options(name: str) -> None:
    """`--json` and `--data-dir` everywhere, with the data directory's variable."""
    options = {option: parameter for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {"--json", "--data-dir", "--config"} <= options.keys()
    assert options["--data-dir"].envvar == "TOLLHOUSE_DATA_DIR"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    """A sentence in the help."""
    assert COMMANDS[name].help


def test_help_loads_no_room() -> None:
    """So that it is quick: nothing that talks to a database or a socket is imported for it."""
    code = (
        "import sys\nsys.argv=['tollhouse','--help']\nfrom tollhouse.cli import main\ntry: main()\n"
        f"except SystemExit: pass\nprint(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(tollhouse.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "Self-hosted gateway" in done.stdout
    assert done.stderr.strip() == ""


def test_version(bare: Any) -> None:
    """It says its version and stops."""
    done = bare("--version")
    assert (done.exit_code, done.stdout) == (0, f"tollhouse {tollhouse.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["calls", "explain", "req_12"],
        ["calls", "list", "--since", "yesterday"],
        ["calls", "list", "--outcome", "unheard"],
        ["calls", "list", "--limit", "0"],
        ["keys", "create"],
        ["keys", "create", "one", "--fix", "team"],
        ["keys", "create", "one", "--expires", "2020-01-01"],
        ["spend", "--by", "nothing"],
        ["spend", "--since", "1h", "--until", "2h"],
        ["simulate"],
    ],
)
def test_wrong_usage_exits_with_2(bare: Any, arguments: list[str]) -> None:
    """And says what is wrong, without a traceback."""
    done = bare(*arguments)
    assert done.exit_code == 2
    assert "Error:" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "arguments", [["calls", "list"], ["keys", "list"], ["spend"], ["workspaces", "list"], ["calls", "tail"]]
)
def test_failure_is_one_line_and_exits_with_1(bare: Any, tmp_path: Path, arguments: list[str]) -> None:
    """Where there is no database, the line says what to do."""
    done = bare(*arguments, "--data-dir", str(tmp_path))
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("tollhouse: there is no Tollhouse database in")
    assert done.stderr.count("\n") == 1


def test_bad_settings_are_one_line(bare: Any, tmp_path: Path) -> None:
    """A configuration file that cannot be used is named."""
    file = tmp_path / "tollhouse.toml"
    file.write_text("workers = 'many'")
    done = bare("calls", "list", "--config", str(file), "--data-dir", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr == f"tollhouse: {file}: workers: expected a whole number, got text\n"


def test_typer_is_plain() -> None:
    """No boxes and no coloured tracebacks: what is piped is text."""
    assert isinstance(make_application(), typer.Typer)
    assert make_application().pretty_exceptions_enable is False
