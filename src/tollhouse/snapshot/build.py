"""Compiles the database's rows, the configuration file's providers and the price book into one snapshot.

Rules: a key id that two workspaces hold is accepted for neither; a key whose workspace is gone is left out; labels
outside of the declared ones are left out. The configuration file's `default` means the default workspace by its id:
a workspace that merely calls itself so gets nothing from the file, nor do two that share a name.
Pure: the same rows and the same ground give the same snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from tollhouse.attribution.model import LABEL_NAMES
from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId, TenantId
from tollhouse.pricing.rules import PriceBook
from tollhouse.routing.model import Provider
from tollhouse.snapshot.model import OnClientGone, Snapshot, Workspace
from tollhouse.snapshot.providers import Address
from tollhouse.vault.model import CredentialSource

DEFAULT_WORKSPACE = "default"


class WorkspaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace as the database has it."""

    tenant_id: TenantId
    name: str
    on_client_gone: OnClientGone


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway key as the database has it."""

    key_id: KeyId
    tenant_id: TenantId
    name: str
    secret_hmac: bytes
    pepper_version: int
    fixed_labels: Mapping[str, object]
    default_labels: Mapping[str, object]
    providers: tuple[str, ...]
    valid_to: datetime | None


class ConfigurationRows(msgspec.Struct, frozen=True, kw_only=True):
    """What `th.load_snapshot` returns."""

    version: int
    workspaces: tuple[WorkspaceRow, ...]
    keys: tuple[KeyRow, ...]


class Ground(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What does not come from the database, and stays for the life of a process."""

    built_in: Mapping[str, Provider]
    configured: Mapping[Address, Provider]
    credentials: CredentialSource
    book: PriceBook


class Built(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A snapshot, and the key ids that it accepts for nobody."""

    snapshot: Snapshot
    duplicates: tuple[KeyId, ...]


_rows_decoder = msgspec.json.Decoder(ConfigurationRows)


def read_rows(text: str | bytes) -> ConfigurationRows:
    """The rows from the JSON of `th.load_snapshot`; msgspec.ValidationError or DecodeError if it is another shape."""
    return _rows_decoder.decode(text)


def build(rows: ConfigurationRows, ground: Ground, loaded_s: float) -> Built:
    """The snapshot of these rows; `loaded_s` is the monotonic moment at which the database was asked."""
    names = Counter(row.name for row in rows.workspaces)
    workspaces = {
        row.tenant_id: Workspace(
            tenant_id=row.tenant_id,
            name=row.name,
            on_client_gone=row.on_client_gone,
            providers=_providers(row.tenant_id, _file_name(row, names), ground),
        )
        for row in rows.workspaces
    }
    holders = Counter(row.key_id for row in rows.keys)
    keys = {row.key_id: _grant(row) for row in rows.keys if holders[row.key_id] == 1 and row.tenant_id in workspaces}
    snapshot = Snapshot(version=rows.version, loaded_s=loaded_s, keys=keys, workspaces=workspaces, book=ground.book)
    return Built(snapshot=snapshot, duplicates=tuple(sorted(key for key, count in holders.items() if count > 1)))


def confirmed(snapshot: Snapshot, loaded_s: float) -> Snapshot:
    """The same configuration, confirmed once more by the database."""
    return msgspec.structs.replace(snapshot, loaded_s=loaded_s)


def _file_name(row: WorkspaceRow, names: Mapping[str, int]) -> str | None:
    """The name under which the configuration file knows a workspace, None if it does not."""
    if row.tenant_id == DEFAULT_TENANT:
        return DEFAULT_WORKSPACE
    return row.name if row.name != DEFAULT_WORKSPACE and names[row.name] == 1 else None


def _providers(tenant: TenantId, file_name: str | None, ground: Ground) -> Mapping[str, Provider]:
    own = {name: provider for (workspace, name), provider in ground.configured.items() if workspace == file_name}
    if not own:
        return ground.built_in
    assert file_name is not None, "only a workspace that the file knows has providers of its own"
    credited = {name: _credited(provider, tenant, file_name, ground) for name, provider in own.items()}
    return {**ground.built_in, **credited}


def _credited(provider: Provider, tenant: TenantId, workspace: str, ground: Ground) -> Provider:
    credential = ground.credentials.credential(tenant, workspace, provider.name)
    if credential is None:
        return provider
    return msgspec.structs.replace(provider, credential=credential.secret, credential_ref=credential.ref)


def _grant(row: KeyRow) -> KeyGrant:
    return KeyGrant(
        key_id=row.key_id,
        tenant_id=row.tenant_id,
        name=row.name,
        secret_hmac=row.secret_hmac,
        pepper_version=row.pepper_version,
        fixed_labels=_labels(row.fixed_labels),
        default_labels=_labels(row.default_labels),
        providers=row.providers,
        valid_to=row.valid_to,
    )


def _labels(values: Mapping[str, object]) -> Mapping[str, str]:
    return {name: value for name, value in values.items() if name in LABEL_NAMES and isinstance(value, str)}
