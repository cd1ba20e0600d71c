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
MOMENTS = "a moment such as 2026-03-26 or 2026-03-26T10:30:00Z"
FORMS = f"an age such as 15m, 1h, 30d, or {MOMENTS}"
AHEAD_FORMS = f"a time from now such as 12h, 30d, 4w, or {MOMENTS}"


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment, aware UTC; without an offset it is taken as UTC. ValueError names the forms that are understood."""
    return _parse(text, now, -1, FORMS)


def parse_ahead(text: str, now: datetime) -> datetime:
    """The same for what is to come: `30d` is thirty days from now. It may have passed all the same."""
    return _parse(text, now, 1, AHEAD_FORMS)


def _parse(text: str, now: datetime, direction: int, forms: str) -> datetime:
    span = _AGE.fullmatch(text.strip())
    try:
        if span is not None:
            return now + direction * int(span[1]) * _UNITS[span[2]]
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected {forms}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
