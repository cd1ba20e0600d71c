"""Credential and its source: the records and the port of the room."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tollhouse.kernel.ids import TenantId
from tollhouse.kernel.secret import Secret


class Credential(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A provider's key, and the reference by which records name it."""

    secret: Secret
    ref: str
    """`<source>:<name>#<fingerprint>`; from it the key cannot be found, not even by trying keys."""


class CredentialSource(Protocol):
    """Where provider keys come from."""

    def credential(self, tenant: TenantId, workspace: str, provider: str) -> Credential | None:
        """The key of a workspace's provider, None if this source has none.

        Answers from memory; a source that cannot be read raises ConfigError or StorageError when it is opened.
        """
