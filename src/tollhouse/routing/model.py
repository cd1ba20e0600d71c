"""Provider, Target, Plan."""

from __future__ import annotations

import msgspec

from tollhouse.kernel.secret import Secret


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A configured provider of a workspace: where it is, how it takes its key."""

    name: str
    kind: str
    """A row of `wire/providers`."""
    scheme: str
    host: str
    port: int
    base_path: str = ""
    """Prefix of every upstream path, without a trailing '/'."""
    allow_private: bool = False
    credential: Secret | None = None
    """The vault's key; None where only pass-through can serve."""
    credential_ref: str | None = None
    """Id and fingerprint by which records name the credential."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place to send a call to."""

    provider: Provider
    model: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered targets, first choice first, and why."""

    targets: tuple[Target, ...]
    reason: str
