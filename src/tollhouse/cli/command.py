"""How a command is made: its options are the fields of a record, its work is a function of that record.

A function with a dozen parameters is no function of this house, so the parameters that typer reads are made from the
record. Here, once, errors become one line on standard error and the exit status, and settings are read.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
import typer

from tollhouse.kernel.errors import TollhouseError
from tollhouse.settings import Settings, load

DONE, FAILED = 0, 1
NO_DEFAULT = msgspec.NODEFAULT


class Everywhere(msgspec.Struct, frozen=True, kw_only=True):
    """What every command takes."""

    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", envvar="TOLLHOUSE_DATA_DIR", help="Where Tollhouse keeps its data.", metavar="DIR"),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="TOLLHOUSE_CONFIG", help="Configuration file (TOML).", metavar="FILE"),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output; one object a line for lists.")] = False


class InWorkspace(Everywhere, frozen=True, kw_only=True):
    """What a command over the ledger takes beside that."""

    workspace: Annotated[
        str | None, typer.Option("--workspace", help="One workspace, by name or id; default: all.", metavar="NAME")
    ] = None


Options = TypeVar("Options", bound=Everywhere)
Work = Callable[[Options], int | None]


def command(group: typer.Typer, name: str, options: type[Options]) -> Callable[[Work[Options]], Work[Options]]:
    """Adds a command to a group; the function gets its options as a record and may return an exit status."""

    def decorate(work: Work[Options]) -> Work[Options]:
        def run(**values: Any) -> None:
            raise typer.Exit(_run(work, options(**values)))

        run.__doc__ = work.__doc__
        run.__signature__ = _signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {
            parameter.name: parameter.annotation for parameter in _signature(options).parameters.values()
        }
        group.command(name)(run)
        return work

    return decorate


def settings_of(options: Everywhere, **overrides: object) -> Settings:
    """The settings for a command; ConfigError says which value is wrong."""
    return load(os.environ, options.config, {"data_dir": options.data_dir and str(options.data_dir), **overrides})


def remark(text: str) -> None:
    """A word to the person at the terminal, on standard error, so that output can be piped."""
    print(text, file=sys.stderr, flush=True)


def _run(work: Work[Options], options: Options) -> int:
    try:
        return work(options) or DONE
    except TollhouseError as error:
        remark(f"tollhouse: {error}")
        return FAILED


def _signature(options: type[Everywhere]) -> inspect.Signature:
    """A parameter per field: the record's own first, then what it inherits."""
    hints = get_type_hints(options, include_extras=True)
    own = [field for field in msgspec.structs.fields(options) if field.name not in Everywhere.__struct_fields__]
    shared = [field for field in msgspec.structs.fields(options) if field.name in Everywhere.__struct_fields__]
    return inspect.Signature(
        [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.required else _default(field),
                annotation=hints[field.name],
            )
            for field in (*own, *shared)
        ]
    )


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default is not NO_DEFAULT else field.default_factory()
