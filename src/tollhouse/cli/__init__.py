"""The command line: one file per command group in `group/`, found by file name.

Rules: no logic and no SQL; a command calls what the API calls. Every command takes `--json` and `--data-dir` and exits
0 (done), 1 (refused or failed) or 2 (wrong usage). Results go to standard output, remarks to standard error.
Rooms are imported when a command runs, so that help is quick.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

import typer

from tollhouse.cli import group

__all__ = ["main", "make_application"]


def main() -> None:
    """Entry of the `tollhouse` program."""
    make_application()(prog_name="tollhouse")


def make_application() -> typer.Typer:
    """The program with the commands of every file in `group/`."""
    application = typer.Typer(
        name="tollhouse",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_version_option)
    for found in sorted(module.name for module in pkgutil.iter_modules(group.__path__)):
        import_module(f"{group.__name__}.{found}").attach(application)
    return application


def _print_version(wanted: bool) -> None:
    if wanted:
        from tollhouse import __version__

        typer.echo(f"tollhouse {__version__}")
        raise typer.Exit


def _version_option(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version and stop."
    ),
) -> None:
    """Self-hosted gateway and ledger for AI spend."""
