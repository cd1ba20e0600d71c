"""The providers of a workspace: the known kinds as they are, and what the configuration file adds or overrides.

Every kind with a public address serves every workspace under its own name without any configuration, for clients that
bring their own key. A table of the configuration file belongs to one workspace and goes before a built-in of that name.
Pure; credentials are added by `build`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from tollhouse.kernel.errors import ConfigError
from tollhouse.routing.model import Provider
from tollhouse.settings import ProviderSetting
from tollhouse.vault.settings_source import provider_address
from tollhouse.wire.providers import KINDS, ProviderKind

Address = tuple[str, str]
"""Workspace name and provider name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[\x21-\x7e]+")


def built_in_providers() -> Mapping[str, Provider]:
    """One pass-through provider for each kind whose address is known, named after the kind."""
    return {
        kind.name: provider_of(kind.name, ProviderSetting(kind=kind.name))
        for kind in KINDS.values()
        if kind.base_url is not None
    }


def configured_providers(settings: Mapping[str, ProviderSetting]) -> Mapping[Address, Provider]:
    """The providers of the configuration file; ConfigError names the table and what is wrong with it."""
    providers: dict[Address, Provider] = {}
    for key, setting in settings.items():
        address = provider_address(key, setting)
        if address in providers:
            raise ConfigError(f"providers.{key}: workspace '{address[0]}' has a provider '{address[1]}' already")
        providers[address] = provider_of(address[1], setting)
    return providers


def provider_of(name: str, setting: ProviderSetting) -> Provider:
    """A provider as its table describes it, without a credential. ConfigError if the table cannot be used."""
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"providers.{name}: a name has at most 64 letters, digits, '.', '_' and '-'")
    kind = KINDS.get(setting.kind)
    if kind is None:
        raise ConfigError(f"providers.{name}: kind must be one of {', '.join(sorted(KINDS))}")
    base_url = setting.base_url or kind.base_url
    if base_url is None:
        raise ConfigError(f"providers.{name}: kind {kind.name} has no address of its own; set base_url")
    scheme, host, port, path = _parts(name, base_url)
    if scheme == "http" and not setting.allow_private:
        raise ConfigError(
            f"providers.{name}: base_url must be https, unless allow_private = true is set for a private network"
        )
    return Provider(
        name=name,
        kind=kind.name,
        scheme=scheme,
        host=host,
        port=port,
        base_path=_base_path(path, kind),
        allow_private=setting.allow_private,
    )


def _parts(name: str, base_url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path. The message leaves the URL out: people put passwords into them."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"providers.{name}: base_url is not a URL") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or _PLAIN.fullmatch(base_url) is None or port == 0:
        raise ConfigError(f"providers.{name}: base_url must look like https://api.example.com")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"providers.{name}: base_url may have no user, query or fragment; a key goes into key_file")
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.path


def _base_path(path: str, kind: ProviderKind) -> str:
    """Upstream paths have their version already: the '/v1' that SDKs want in a base URL is taken off."""
    base = path.rstrip("/")
    return base.removesuffix(kind.version_path) if kind.version_path else base
