"""Moments as people type them: an age (`90s`, `15m`, `1h`, `30d`, `2w`) or an RFC 3339 date or time. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGE = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
FORMS = "an age such as 15m, 1h, 30d, or a moment such as 2026-03-26 or 2026-03-26T10:30:00Z"


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment, aware UTC; without an offset it is taken as UTC. ValueError names the forms that are understood."""
    age = _AGE.fullmatch(text.strip())
    try:
        if age is not None:
            return now - int(age[1]) * _UNITS[age[2]]
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected {FORMS}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
