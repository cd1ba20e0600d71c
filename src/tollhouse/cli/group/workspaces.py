"""`tollhouse workspaces`: the isolation boundary, as the operator makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tollhouse.cli.command import Everywhere, command, remark
from tollhouse.cli.database import with_database
from tollhouse.cli.output import columns, print_json, print_table, print_text

if TYPE_CHECKING:
    from tollhouse.identity.store import WorkspaceName


class CreateOptions(Everywhere, frozen=True, kw_only=True):
    """What people call it."""

    name: Annotated[str, typer.Argument(help="A name that no other workspace has.", metavar="NAME")]


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    workspaces = typer.Typer(help="Workspaces, which see nothing of each other.", no_args_is_help=True)
    command(workspaces, "create", CreateOptions)(create)
    command(workspaces, "list", Everywhere)(list_all)
    application.add_typer(workspaces, name="workspaces")


def create(options: CreateOptions) -> int | None:
    """Make a workspace."""
    from tollhouse.bootstrap.demo import new_tenant_id
    from tollhouse.identity.store import create_workspace

    if not options.name.isprintable() or not 1 <= len(options.name) <= 128 or "/" in options.name:
        raise typer.BadParameter("between 1 and 128 printable characters, without '/'", param_hint="NAME")
    made = with_database(options, lambda urls: create_workspace(urls.owner, new_tenant_id(), options.name))
    if made is None:
        remark(f"tollhouse: there is a workspace '{options.name}' already")
        return 1
    if options.json:
        print_json(_json_of(made))
    else:
        print_text(f"workspace {made.name}, {made.tenant_id}")
    return None


def list_all(options: Everywhere) -> None:
    """List workspaces, oldest first."""
    from tollhouse.identity.store import list_workspaces

    found = with_database(options, lambda urls: list_workspaces(urls.owner))
    if options.json:
        for workspace in found:
            print_json(_json_of(workspace))
    else:
        rows = [(workspace.name, workspace.tenant_id) for workspace in found]
        print_table(columns("WORKSPACE", "ID"), rows, "There are no workspaces.")


def _json_of(workspace: WorkspaceName) -> dict[str, object]:
    """Under the names that calls and keys have for it too."""
    return {"workspace_id": workspace.tenant_id, "workspace": workspace.name}
