"""Policy, Finding, Verdict, Clearance: records of the room.

A policy is data: what it matches and what follows. A clearance is the evidence that a call was inspected; only
`policy.rules.inspect` makes one. No record here holds text of a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from tollhouse.wire.call import Call, Dialect


class Action(StrEnum):
    """What follows from a match; the value is stored."""

    ALLOW = "allow"
    """The call is cleared; later policies are not asked."""
    FLAG = "flag"
    """Noted in the verdict; later policies are asked."""
    BLOCK = "block"
    """The call is refused."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; an empty one holds for every call."""

    labels: Mapping[str, tuple[str, ...]] = {}
    """Label name to accepted values; '' accepts a call on which the label is absent."""
    models: tuple[str, ...] = ()
    """Model ids in any case; a trailing '*' accepts every id that begins so."""
    providers: tuple[str, ...] = ()
    """Names as in the configuration."""
    dialects: tuple[Dialect, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a workspace. `name` is the operator's, and is told to callers whom it blocks."""

    name: str
    match: Match = Match()
    action: Action


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """That a policy acted, and where: a place in the call, never what stood there."""

    policy: str
    action: Action
    place: str = "head"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the policies made of a call."""

    action: Action = Action.ALLOW
    findings: tuple[Finding, ...] = ()


CLEARED = Verdict()


class Clearance(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that a call may leave the house, for the one provider that it was inspected for."""

    call: Call
    provider: str
    """Name of the provider that the call asks for."""
    verdict: Verdict
