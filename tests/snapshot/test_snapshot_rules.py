"""Whether a snapshot may still be served from."""

from __future__ import annotations

import pytest

from tollhouse.kernel.refusal import RefusalCode
from tollhouse.pricing.rules import PriceBook
from tollhouse.snapshot.model import Snapshot
from tollhouse.snapshot.rules import STALE, fresh_enough

SNAPSHOT = Snapshot(version=1, loaded_s=100.0, keys={}, workspaces={}, book=PriceBook.build("v", []))


@pytest.mark.parametrize("now_s", [100.0, 400.0, 1000.0])
def test_confirmed_snapshot_serves(now_s: float) -> None:
    """Up to and including the greatest age."""
    assert fresh_enough(SNAPSHOT, now_s, 900.0) is SNAPSHOT


def test_snapshot_that_nobody_confirmed_for_too_long_does_not_serve() -> None:
    """The refusal is temporary and says which part is missing."""
    assert fresh_enough(SNAPSHOT, 1000.001, 900.0) is STALE
    assert (STALE.code, STALE.retry_after_s) == (RefusalCode.UNAVAILABLE, 5)
    assert "database" in STALE.message
