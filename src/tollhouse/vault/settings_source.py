"""Provider keys of the configuration file, read by the settings from a file or a variable when Tollhouse starts.

A table `[providers.NAME]` belongs to the workspace that it names, `[providers."WORKSPACE/NAME"]` to that one. A
reference is `cfg:<name>#<8 hex digits>`, the digits from an HMAC under the deployment's pepper, so that whoever sees a
reference can tell two keys apart and cannot test guesses. Never shows a key; keeps it as the `Secret` it was given.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.ids import TenantId
from tollhouse.kernel.secret import Secret
from tollhouse.settings import ProviderSetting
from tollhouse.vault.model import Credential

_PURPOSE = b"tollhouse credential fingerprint v1\0"
_FINGERPRINT_HEX = 8


class SettingsSource:
    """A `CredentialSource` over the credentials of the settings."""

    def __init__(
        self, providers: Mapping[str, ProviderSetting], credentials: Mapping[str, Secret], fingerprint_key: Secret
    ) -> None:
        """`credentials` have the names of `providers`, as `Settings` has them; ConfigError if one has no provider."""
        self._credentials: dict[tuple[str, str], Credential] = {}
        for key, secret in credentials.items():
            if key not in providers:
                raise ConfigError(f"there is a credential for providers.{key}, but no such provider")
            ref = f"cfg:{key}#{fingerprint(secret, fingerprint_key)}"
            self._credentials[provider_address(key, providers[key])] = Credential(secret=secret, ref=ref)

    def credential(self, tenant: TenantId, workspace: str, provider: str) -> Credential | None:
        """The configured key, None if there is none; the tenant's id plays no part, as files know names alone."""
        return self._credentials.get((workspace, provider))


def provider_address(key: str, setting: ProviderSetting) -> tuple[str, str]:
    """Workspace and provider name of a table of the configuration file."""
    workspace, separator, name = key.rpartition("/")
    return (workspace, name) if separator else (setting.workspace, key)


def fingerprint(secret: Secret, fingerprint_key: Secret) -> str:
    """Eight hex digits that stand for a key: equal for equal keys of one deployment, of no use elsewhere."""
    digest = hmac.digest(fingerprint_key.reveal(), _PURPOSE + secret.reveal(), "sha256")
    return digest.hex()[:_FINGERPRINT_HEX]
