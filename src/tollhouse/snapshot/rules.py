"""Whether a snapshot may still be served from."""

from __future__ import annotations

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.snapshot.model import Snapshot

STALE = Refusal(
    code=RefusalCode.UNAVAILABLE,
    message="Tollhouse's configuration could not be confirmed for too long, because its database cannot be reached.",
    retry_after_s=5,
)


def fresh_enough(snapshot: Snapshot, now_s: float, max_age_s: float) -> Snapshot | Refusal:
    """The snapshot itself while the database confirmed it at most `max_age_s` ago (monotonic), else UNAVAILABLE."""
    return snapshot if now_s - snapshot.loaded_s <= max_age_s else STALE
