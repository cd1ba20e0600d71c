"""Gateway keys and callers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from tollhouse.kernel.ids import KeyId, TenantId


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What the snapshot knows of one gateway key."""

    key_id: KeyId
    tenant_id: TenantId
    name: str
    secret_hmac: bytes
    pepper_version: int
    fixed_labels: Mapping[str, str] = {}
    """Labels that no header can change."""
    default_labels: Mapping[str, str] = {}
    providers: tuple[str, ...] = ()
    """Names it may use; empty means any."""
    valid_to: datetime | None = None
    """Expiry or revocation."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that a gateway key was checked. Made by `identity.rules.authenticate` alone."""

    key_id: KeyId
    tenant_id: TenantId
    grant: KeyGrant


class CredentialMode:
    """`vault`: Tollhouse adds the provider's key. `passthrough`: the client's own goes on unchanged, never stored."""

    VAULT = "vault"
    PASSTHROUGH = "passthrough"
