"""A command made from a record of options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tollhouse.cli.command import Everywhere, command, settings_of
from tollhouse.kernel.errors import StorageError


class Wish(Everywhere, frozen=True, kw_only=True):
    """Options of the tests' command."""

    name: Annotated[str, typer.Argument()]
    count: Annotated[int, typer.Option("--count")] = 1


class Heard:
    """What the command was run with, and what it then does."""

    def __init__(self, status: int | None = None, error: Exception | None = None) -> None:
        self.options: list[Wish] = []
        self._status, self._error = status, error

    def __call__(self, options: Wish) -> int | None:
        """Remembers."""
        self.options.append(options)
        if self._error is not None:
            raise self._error
        return self._status

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit status and standard error."""
        application = typer.Typer(rich_markup_mode=None)
        command(application, "wish", Wish)(self)
        done = CliRunner().invoke(application, list(arguments))
        return done.exit_code, done.stderr


def test_options_come_as_a_record() -> None:
    """With their types and defaults."""
    heard = Heard()
    assert heard.run("one", "--count", "3", "--json", "--data-dir", "/d") == (0, "")
    assert heard.options == [Wish(name="one", count=3, json=True, data_dir=Path("/d"))]


@pytest.mark.parametrize(("status", "expected"), [(None, 0), (0, 0), (1, 1)])
def test_status_is_what_the_work_returns(status: int | None, expected: int) -> None:
    """None means that it is done."""
    assert Heard(status).run("one")[0] == expected


def test_expected_errors_are_one_line() -> None:
    """On standard error, with status 1."""
    assert Heard(error=StorageError("the database is away")).run("one") == (1, "tollhouse: the database is away\n")


def test_missing_argument_is_wrong_usage() -> None:
    """The work is not begun."""
    heard = Heard()
    assert heard.run()[0] == 2
    assert heard.options == []


def test_command_line_goes_before_the_file(tmp_path: Path) -> None:
    """And what it does not say is the file's to say."""
    file = tmp_path / "t.toml"
    file.write_text(f"gateway_port = 1000\nconsole_port = 2000\ndata_dir = '{tmp_path}'\n")
    settings = settings_of(Everywhere(config=file), gateway_port=3000, console_port=None)
    assert (settings.gateway_port, settings.console_port, settings.data_dir) == (3000, 2000, tmp_path)
