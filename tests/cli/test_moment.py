"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tollhouse.cli.moment import parse_ahead, parse_moment

NOW = datetime(2026, 3, 26, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h", NOW - timedelta(hours=1)),
        ("30d", NOW - timedelta(days=30)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00+02:00", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        (" 2026-03-01T08:00 ", datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_moments_are_read(text: str, expected: datetime) -> None:
    """Ages count back from now; what has no offset is UTC."""
    found = parse_moment(text, NOW)
    assert found == expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "h", "1y", "-1h", "yesterday", "2026-13-01", "999999999w"])
def test_what_is_none_is_refused(text: str) -> None:
    """With the forms that are understood."""
    with pytest.raises(ValueError, match="expected an age such as 15m"):
        parse_moment(text, NOW)


def test_a_span_ahead() -> None:
    """Counts on from now; a moment is the same as ever, and what is neither is told what is."""
    assert parse_ahead("30d", NOW) == NOW + timedelta(days=30)
    assert parse_ahead("2027-01-01", NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="expected a time from now such as"):
        parse_ahead("soon", NOW)
