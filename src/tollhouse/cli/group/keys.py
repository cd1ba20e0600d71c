"""`tollhouse keys`: gateway keys. A secret is printed once, when its key is made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tollhouse.cli.command import Everywhere, InWorkspace, command, remark, settings_of
from tollhouse.cli.database import with_reach
from tollhouse.cli.moment import parse_moment
from tollhouse.cli.output import columns, print_json, print_table, print_text

if TYPE_CHECKING:
    from tollhouse.bootstrap.reach import Reach
    from tollhouse.identity.keys import NewKey
    from tollhouse.identity.store import KeyDraft, KeyRow
    from tollhouse.kernel.refusal import Refusal


class CreateOptions(InWorkspace, frozen=True, kw_only=True):
    """A key's name, and what it is bound to."""

    name: Annotated[str, typer.Argument(help="What people call the key.", metavar="NAME")]
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="The workspace it belongs to.", metavar="NAME")
    ] = "default"
    fix: Annotated[
        list[str], typer.Option("--fix", help="A label that no header can change, as team=ml.", metavar="LABEL=VALUE")
    ] = msgspec.field(default_factory=list)
    default: Annotated[
        list[str], typer.Option("--default", help="A label where a call says none, as app=chat.", metavar="LABEL=VALUE")
    ] = msgspec.field(default_factory=list)
    provider: Annotated[
        list[str], typer.Option("--provider", help="A provider it may use; default: any.", metavar="NAME")
    ] = msgspec.field(default_factory=list)
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends, as 2027-01-01T00:00:00Z.", metavar="MOMENT")
    ] = None


class RevokeOptions(InWorkspace, frozen=True, kw_only=True):
    """Which key."""

    key_id: Annotated[str, typer.Argument(help="The key's id, as 'keys list' shows it.", metavar="ID")]


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    keys = typer.Typer(help="Gateway keys.", no_args_is_help=True)
    command(keys, "create", CreateOptions)(create)
    command(keys, "list", InWorkspace)(list_all)
    command(keys, "revoke", RevokeOptions)(revoke)
    application.add_typer(keys, name="keys")


def create(options: CreateOptions) -> int | None:
    """Make a key and print it: the only time that its secret is shown."""
    import secrets

    from tollhouse.identity.keys import RANDOM_BYTES, make_key, show_once
    from tollhouse.kernel.refusal import Refusal

    draft = _draft(options)
    if isinstance(draft, Refusal):
        return _refused(draft)
    key = make_key(secrets.token_bytes(RANDOM_BYTES))
    made = with_reach(options, lambda reach: _store(reach, options, draft, key))
    if isinstance(made, Refusal):
        return _refused(made)
    if options.json:
        print_json(_json_of(made, options.workspace or "default") | {"key": show_once(key)})
    else:
        print_text(show_once(key))
        remark(f"Key {made.key_id} of workspace '{options.workspace}'. It is shown this once: keep it now.")
    return None


def list_all(options: InWorkspace) -> None:
    """List keys with their labels and state; secrets are not kept."""
    found = with_reach(options, _read)
    if options.json:
        for name, row in found:
            print_json(_json_of(row, name))
        return
    now = datetime.now(UTC)
    print_table(
        columns("ID", "WORKSPACE", "NAME", "STATE", "FIXED", "DEFAULT", "PROVIDERS", "CREATED"),
        [_cells(row, name, now) for name, row in found],
        "There are no keys: 'tollhouse keys create NAME' makes one.",
    )


def revoke(options: RevokeOptions) -> int | None:
    """End a key; the gateway refuses it within a second."""
    row = with_reach(options, lambda reach: _revoke(reach, options.key_id))
    if row is None:
        remark(f"tollhouse: there is no such key, or it was revoked before: {options.key_id}")
        return 1
    if options.json:
        print_json(row)
    else:
        print_text(f"revoked {row.key_id} ({row.name})")
    return None


def _draft(options: CreateOptions) -> KeyDraft | Refusal:
    from tollhouse.attribution.rules import declared_labels
    from tollhouse.identity.store import KeyDraft
    from tollhouse.kernel.refusal import Refusal

    fixed, default = (
        declared_labels(_pairs(options.fix, "--fix")),
        declared_labels(_pairs(options.default, "--default")),
    )
    if isinstance(fixed, Refusal):
        return fixed
    if isinstance(default, Refusal):
        return default
    return KeyDraft(
        name=options.name,
        fixed_labels=fixed,
        default_labels=default,
        providers=tuple(options.provider),
        expires_at=_expiry(options.expires),
    )


def _pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not separator or name in pairs:
            raise typer.BadParameter("expected LABEL=VALUE, each label once", param_hint=option)
        pairs[name] = value
    return pairs


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        moment = parse_moment(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    if moment <= now:
        raise typer.BadParameter("that moment has passed", param_hint="--expires")
    return moment


async def _store(reach: Reach, options: Everywhere, draft: KeyDraft, key: NewKey) -> KeyRow | Refusal:
    from tollhouse.bootstrap.local import peppers_of
    from tollhouse.identity.store import create_key

    peppers = peppers_of(settings_of(options))
    tenant = next(iter(reach.names))
    async with reach.inside(tenant) as connection:
        return await create_key(connection, tenant, draft, key, peppers)


async def _read(reach: Reach) -> list[tuple[str, KeyRow]]:
    from tollhouse.identity.store import list_keys

    found: list[tuple[str, KeyRow]] = []
    for tenant, name in reach.names.items():
        async with reach.inside(tenant) as connection:
            found += [(name, row) for row in await list_keys(connection, tenant)]
    return found


async def _revoke(reach: Reach, key_id: str) -> KeyRow | None:
    from tollhouse.identity.store import revoke_key
    from tollhouse.kernel.ids import KeyId

    for tenant in reach.names:
        async with reach.inside(tenant) as connection:
            row = await revoke_key(connection, tenant, KeyId(key_id))
        if row is not None:
            return row
    return None


def _refused(refusal: Refusal) -> int:
    remark(f"tollhouse: {refusal.message}")
    return 1


def _json_of(row: KeyRow, workspace: str) -> dict[str, object]:
    return {"workspace": workspace} | {name: getattr(row, name) for name in row.__struct_fields__}


def _cells(row: KeyRow, workspace: str, now: datetime) -> tuple[str, ...]:
    labels = (" ".join(f"{k}={v}" for k, v in some.items()) for some in (row.fixed_labels, row.default_labels))
    created = f"{row.created_at.astimezone(UTC):%Y-%m-%d}"
    return (row.key_id, workspace, row.name, _state(row, now), *labels, ",".join(row.providers) or "any", created)


def _state(row: KeyRow, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None:
        return "active"
    return "expired" if row.expires_at <= now else f"until {row.expires_at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
