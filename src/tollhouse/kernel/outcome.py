"""Outcome: the one way in which a call ended. Every call record closes with exactly one."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Closed set; the value is stored in the ledger."""

    COMPLETED = "completed"
    """The provider answered with success and the answer reached its end."""
    PROVIDER_ERROR = "provider_error"
    """The provider answered with an error status, or reported an error inside a stream; relayed as it came."""
    PROVIDER_CUT = "provider_cut"
    """The provider broke off after its answer had begun."""
    PROVIDER_UNREACHABLE = "provider_unreachable"
    """No connection, or it broke before an answer began."""
    PROVIDER_TIMEOUT = "provider_timeout"
    """A deadline towards the provider passed."""
    CLIENT_GONE = "client_gone"
    """The client left before its answer was complete."""
    REFUSED = "refused"
    """Tollhouse said no; the refusal's code is beside it."""
    GATEWAY_STOPPED = "gateway_stopped"
    """The worker was told to stop and the grace period ended first."""
    GATEWAY_LOST = "gateway_lost"
    """The worker died; settled from the journal."""
    GATEWAY_FAULT = "gateway_fault"
    """A defect of ours."""
