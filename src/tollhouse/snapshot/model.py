"""The compiled configuration. Nothing on the hot path looks anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.ids import KeyId, TenantId
from tollhouse.policy.model import Policy
from tollhouse.pricing.rules import PriceBook
from tollhouse.routing.model import Provider


class OnClientGone(StrEnum):
    """What becomes of the upstream when the client leaves: read on to the final usage, bounded, or close."""

    DRAIN = "drain"
    CANCEL = "cancel"


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's settings and its providers by name."""

    tenant_id: TenantId
    name: str
    on_client_gone: OnClientGone = OnClientGone.DRAIN
    providers: Mapping[str, Provider] = {}
    policies: tuple[Policy, ...] = ()
    """In the order in which they are asked."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`loaded_s` is the monotonic moment at which the database last confirmed it."""

    version: int
    loaded_s: float
    keys: Mapping[KeyId, KeyGrant]
    workspaces: Mapping[TenantId, Workspace]
    book: PriceBook
