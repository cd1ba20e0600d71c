"""`tollhouse keys`: gateway keys. A secret is printed once, when its key is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tollhouse.cli.command import Everywhere, InWorkspace, command, remark, settings_of
from tollhouse.cli.database import with_reach
from tollhouse.cli.moment import parse_ahead
from tollhouse.cli.output import columns, print_json, print_table, print_text

if TYPE_CHECKING:
    from tollhouse.bootstrap.reach import Reach
    from tollhouse.identity.keys import NewKey
    from tollhouse.identity.store import KeyDraft, KeyRow
    from tollhouse.kernel.ids import TenantId
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
        str | None,
        typer.Option("--expires", help="When it ends: 30d from now, or 2027-01-01T00:00:00Z.", metavar="WHEN"),
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
    key = make_key(secrets.token_bytes(RANDOM_BYTES))
    tenant, name, made = with_reach(options, lambda reach: _store(reach, options, draft, key))
    if isinstance(made, Refusal):
        remark(f"tollhouse: {made.message}")
        return 1
    _remark_providers(options, name)
    if options.json:
        print_json(_json_of(tenant, name, made) | {"key": show_once(key)})
    else:
        print_text(show_once(key))
        remark(f"Key {made.key_id} of workspace '{name}'. It is shown this once: keep it now.")
    return None


def list_all(options: InWorkspace) -> None:
    """List keys with their labels and state; secrets are not kept."""
    found = with_reach(options, _read)
    if options.json:
        for tenant, name, row in found:
            print_json(_json_of(tenant, name, row))
        return
    now = datetime.now(UTC)
    print_table(
        columns("ID", "WORKSPACE", "NAME", "STATE", "FIXED", "DEFAULT", "PROVIDERS", "CREATED"),
        [_cells(row, name, now) for _, name, row in found],
        "There are no keys: 'tollhouse keys create NAME' makes one.",
    )


def revoke(options: RevokeOptions) -> int | None:
    """End a key; the gateway refuses it within a second."""
    found = with_reach(options, lambda reach: _revoke(reach, options.key_id))
    if found is None:
        remark(f"tollhouse: there is no such key, or it was revoked before: {options.key_id}")
        return 1
    tenant, name, row = found
    if options.json:
        print_json(_json_of(tenant, name, row))
    else:
        print_text(f"revoked {row.key_id} ({row.name})")
    return None


def _draft(options: CreateOptions) -> KeyDraft:
    from tollhouse.identity.store import KeyDraft

    return KeyDraft(
        name=options.name,
        fixed_labels=_labels(options.fix, "--fix"),
        default_labels=_labels(options.default, "--default"),
        providers=tuple(options.provider),
        expires_at=_expiry(options.expires),
    )


def _labels(texts: Iterable[str], option: str) -> Mapping[str, str]:
    from tollhouse.attribution.rules import declared_labels
    from tollhouse.kernel.refusal import Refusal

    labels = declared_labels(_pairs(texts, option))
    if isinstance(labels, Refusal):
        raise typer.BadParameter(labels.message, param_hint=option)
    return labels


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
        moment = parse_ahead(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    if moment <= now:
        raise typer.BadParameter("that moment has passed", param_hint="--expires")
    return moment


def _remark_providers(options: CreateOptions, workspace: str) -> None:
    """A provider may be configured later, or for the gateway alone; a misspelt one is worth a word."""
    from tollhouse.snapshot.providers import built_in_providers, configured_providers

    configured = configured_providers(settings_of(options).providers)
    known = {*built_in_providers(), *(name for place, name in configured if place == workspace)}
    for name in sorted(set(options.provider) - known):
        remark(f"Provider '{name}' is neither built in nor configured here for workspace '{workspace}'.")


async def _store(
    reach: Reach, options: Everywhere, draft: KeyDraft, key: NewKey
) -> tuple[TenantId, str, KeyRow | Refusal]:
    from tollhouse.bootstrap.local import peppers_of
    from tollhouse.identity.store import create_key

    peppers = peppers_of(settings_of(options))
    tenant, name = next(iter(reach.names.items()))
    async with reach.inside(tenant) as connection:
        return tenant, name, await create_key(connection, tenant, draft, key, peppers)


async def _read(reach: Reach) -> list[tuple[TenantId, str, KeyRow]]:
    from tollhouse.identity.store import list_keys

    found: list[tuple[TenantId, str, KeyRow]] = []
    for tenant, name in reach.names.items():
        async with reach.inside(tenant) as connection:
            found += [(tenant, name, row) for row in await list_keys(connection, tenant)]
    return found


async def _revoke(reach: Reach, key_id: str) -> tuple[TenantId, str, KeyRow] | None:
    from tollhouse.identity.store import revoke_key
    from tollhouse.kernel.ids import KeyId

    for tenant, name in reach.names.items():
        async with reach.inside(tenant) as connection:
            row = await revoke_key(connection, tenant, KeyId(key_id))
        if row is not None:
            return tenant, name, row
    return None


def _json_of(tenant: TenantId, workspace: str, row: KeyRow) -> dict[str, object]:
    key = {name: getattr(row, name) for name in row.__struct_fields__}
    return {"workspace_id": tenant, "workspace": workspace} | key


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
