"""Provider keys of the configuration file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.kernel.secret import Secret
from tollhouse.settings import ProviderSetting, load
from tollhouse.vault.settings_source import SettingsSource, fingerprint, provider_address

PEPPER = Secret(b"p" * 32)
KEY = Secret("sk-provider-key")
OPENAI = ProviderSetting(kind="openai", key_env="K")


def test_key_is_given_to_its_workspace_alone() -> None:
    """By the table's workspace, or by the name before the slash."""
    providers = {"a": OPENAI, "b": ProviderSetting(kind="openai", workspace="lab"), "ops/c": OPENAI}
    source = SettingsSource(providers, dict.fromkeys(providers, KEY), PEPPER)
    found = {
        (workspace, name): source.credential(DEFAULT_TENANT, workspace, name) is not None
        for workspace in ("default", "lab", "ops")
        for name in ("a", "b", "c")
    }
    assert [address for address, there in found.items() if there] == [("default", "a"), ("lab", "b"), ("ops", "c")]


def test_reference_names_the_key_without_giving_it_away() -> None:
    """The name and eight digits that depend on the deployment's pepper."""
    source = SettingsSource({"openai": OPENAI}, {"openai": KEY}, PEPPER)
    credential = source.credential(DEFAULT_TENANT, "default", "openai")
    assert credential is not None
    assert credential.secret is KEY
    assert re.fullmatch(r"cfg:openai#[0-9a-f]{8}", credential.ref)
    assert "sk-provider-key" not in repr(credential)
    assert fingerprint(KEY, PEPPER) == credential.ref[-8:] != fingerprint(KEY, Secret(b"q" * 32))
    assert fingerprint(KEY, PEPPER) != fingerprint(Secret("sk-provider-kez"), PEPPER)


def test_credential_without_a_provider_is_an_error() -> None:
    """The two parts of the settings belong together."""
    with pytest.raises(ConfigError, match="no such provider"):
        SettingsSource({}, {"openai": KEY}, PEPPER)


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_missing_or_empty_key_file_is_refused(tmp_path: Path, content: str | None) -> None:
    """Before anything is served, naming the table and the file."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    environment = {
        "TOLLHOUSE_DATA_DIR": str(tmp_path),
        "TOLLHOUSE_PROVIDERS_OPENAI_KIND": "openai",
        "TOLLHOUSE_PROVIDERS_OPENAI_KEY_FILE": str(path),
    }
    with pytest.raises(ConfigError, match=r"providers\.openai.*key"):
        load(environment)


def test_address_of_a_table() -> None:
    """The slash goes before the field."""
    assert provider_address("x", OPENAI) == ("default", "x")
    assert provider_address("lab/x", OPENAI) == ("lab", "x")
