"""`tollhouse db`: storage."""

from __future__ import annotations

import typer

from tollhouse.cli.command import Everywhere, command, remark, settings_of
from tollhouse.cli.output import print_json, print_text


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    database = typer.Typer(help="The database.", no_args_is_help=True)
    database.callback()(_group)
    command(database, "migrate", Everywhere)(migrate_schema)
    application.add_typer(database, name="db")


def _group() -> None:
    """The database."""


def migrate_schema(options: Everywhere) -> None:
    """Bring the database up to this version; makes the embedded one if there is none."""
    from tollhouse.bootstrap.local import open_place
    from tollhouse.storage.migrate import migrate

    with open_place(settings_of(options), remark, create=True) as place:
        _, applied = migrate(place.owner_url, place.secret)
    if options.json:
        print_json({"applied": applied})
        return
    for name in applied:
        print_text(f"applied {name}")
    if not applied:
        print_text("the database is up to date")
