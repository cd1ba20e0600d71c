"""Compiling rows into a snapshot."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import msgspec
import pytest

from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId, TenantId
from tollhouse.kernel.secret import Secret
from tollhouse.pricing.rules import PriceBook
from tollhouse.settings import ProviderSetting
from tollhouse.snapshot.build import ConfigurationRows, Ground, build, confirmed, read_rows
from tollhouse.snapshot.model import OnClientGone
from tollhouse.snapshot.providers import built_in_providers, configured_providers
from tollhouse.vault.settings_source import SettingsSource

LAB, TWIN, IMPOSTOR = (TenantId(f"00000000-0000-7000-8000-00000000000{digit}") for digit in "abc")
SETTINGS = {
    "openai": ProviderSetting(kind="openai", base_url="https://proxy.example.com", key_env="A"),
    "lab/local": ProviderSetting(kind="vllm", base_url="http://10.0.0.5:8000", allow_private=True, key_env="B"),
}
CREDENTIALS = {"openai": Secret("a"), "lab/local": Secret("b")}
HMAC = bytes(range(32))


@pytest.fixture
def ground() -> Ground:
    return Ground(
        built_in=built_in_providers(),
        configured=configured_providers(SETTINGS),
        credentials=SettingsSource(SETTINGS, CREDENTIALS, Secret(b"p" * 32)),
        book=PriceBook.build("book", []),
    )


def workspace(tenant: TenantId, name: str, on_client_gone: str = "drain") -> dict[str, object]:
    return {"tenant_id": tenant, "name": name, "on_client_gone": on_client_gone}


def key(key_id: str, tenant: TenantId = DEFAULT_TENANT, **fields: object) -> dict[str, object]:
    return {
        "key_id": key_id,
        "tenant_id": tenant,
        "name": "k",
        "secret_hmac": base64.b64encode(HMAC).decode(),
        "pepper_version": 1,
        "fixed_labels": {},
        "default_labels": {},
        "providers": [],
        "valid_to": None,
        **fields,
    }


def rows(workspaces: list[dict[str, object]], keys: list[dict[str, object]]) -> ConfigurationRows:
    return read_rows(json.dumps({"version": 7, "workspaces": workspaces, "keys": keys}))


def test_rows_become_a_snapshot(ground: Ground) -> None:
    """Version, moment, book, workspace and every field of a key."""
    fields = {
        "fixed_labels": {"team": "ml", "shoe_size": "44", "app": 3},
        "default_labels": {"app": "bot"},
        "providers": ["openai"],
        "valid_to": "2026-04-01T12:00:00.5+00:00",
    }
    built = build(rows([workspace(DEFAULT_TENANT, "default", "cancel")], [key("A" * 12, **fields)]), ground, 5.0)
    assert built.duplicates == ()
    snapshot = built.snapshot
    assert (snapshot.version, snapshot.loaded_s, snapshot.book) == (7, 5.0, ground.book)
    assert snapshot.workspaces[DEFAULT_TENANT].on_client_gone is OnClientGone.CANCEL
    assert snapshot.keys == {
        KeyId("A" * 12): KeyGrant(
            key_id=KeyId("A" * 12),
            tenant_id=DEFAULT_TENANT,
            name="k",
            secret_hmac=HMAC,
            pepper_version=1,
            fixed_labels={"team": "ml"},
            default_labels={"app": "bot"},
            providers=("openai",),
            valid_to=datetime(2026, 4, 1, 12, 0, 0, 500_000, tzinfo=UTC),
        )
    }


def test_configured_provider_overrides_with_its_credential(ground: Ground) -> None:
    """In its own workspace; the built-in ones stay beside it."""
    built = build(rows([workspace(DEFAULT_TENANT, "renamed"), workspace(LAB, "lab")], []), ground, 0.0)
    default, lab = (built.snapshot.workspaces[tenant].providers for tenant in (DEFAULT_TENANT, LAB))
    assert default["openai"].host == "proxy.example.com"
    assert default["openai"].credential is CREDENTIALS["openai"]
    assert (default["openai"].credential_ref or "").startswith("cfg:openai#")
    assert default["anthropic"] is ground.built_in["anthropic"]
    assert "local" not in default
    assert lab["local"].credential is CREDENTIALS["lab/local"]
    assert lab["openai"] is ground.built_in["openai"]


def test_name_alone_gives_no_credential(ground: Ground) -> None:
    """Calling itself 'default', or sharing a name, gets a workspace nothing from the file."""
    workspaces = [
        workspace(DEFAULT_TENANT, "default"),
        workspace(IMPOSTOR, "default"),
        workspace(LAB, "lab"),
        workspace(TWIN, "lab"),
    ]
    built = build(rows(workspaces, []), ground, 0.0)
    for tenant in (IMPOSTOR, LAB, TWIN):
        assert built.snapshot.workspaces[tenant].providers == ground.built_in
    assert built.snapshot.workspaces[DEFAULT_TENANT].providers["openai"].credential is not None


def test_key_id_of_two_workspaces_is_accepted_for_neither(ground: Ground) -> None:
    """And is reported; other keys are not touched."""
    keys = [key("A" * 12), key("A" * 12, LAB), key("B" * 12, LAB)]
    built = build(rows([workspace(DEFAULT_TENANT, "default"), workspace(LAB, "lab")], keys), ground, 0.0)
    assert built.duplicates == ("A" * 12,)
    assert set(built.snapshot.keys) == {"B" * 12}


def test_key_without_a_workspace_is_left_out(ground: Ground) -> None:
    """There would be nowhere to send its calls."""
    built = build(rows([workspace(DEFAULT_TENANT, "default")], [key("A" * 12, LAB)]), ground, 0.0)
    assert built.snapshot.keys == {}


def test_confirmation_changes_the_moment_alone(ground: Ground) -> None:
    """Everything else is the same object."""
    snapshot = build(rows([workspace(DEFAULT_TENANT, "default")], [key("A" * 12)]), ground, 1.0).snapshot
    later = confirmed(snapshot, 2.0)
    assert (later.loaded_s, later.version) == (2.0, 7)
    assert later.keys is snapshot.keys
    assert later.workspaces is snapshot.workspaces


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"version": 1, "workspaces": [{}], "keys": []}'])
def test_other_shapes_are_errors(text: str) -> None:
    """Half a configuration is never taken for a whole one."""
    with pytest.raises(msgspec.MsgspecError):
        read_rows(text)
