"""The price book: which one, and how old its figures are. Its dates also tell a clock that is far behind. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from tollhouse.bootstrap.doctor.model import Finding, broken, ok, warning
from tollhouse.pricing.rules import PriceBook

CHECK = "price book"
OLD_DAYS = 60


def book_findings(book: PriceBook, now: datetime) -> list[Finding]:
    """Its version and the day on which its latest figure was read."""
    days = [date.fromisoformat(price.retrieved) for price in book.prices.values()]
    if not days:
        return [broken(CHECK, f"version {book.version} has no price", "install Tollhouse again")]
    latest = max(days)
    age_days = (now - datetime.combine(latest, time(), UTC)).days
    text = f"version {book.version}, {len(book.prices)} prices, last read on {latest.isoformat()}"
    if age_days < -1:
        mend = "set the clock: calls, budgets and certificates depend on it"
        return [broken("clock", f"this host's clock says {now:%Y-%m-%d}, before this version was made", mend)]
    if age_days > OLD_DAYS:
        mend = "upgrade Tollhouse: calls of newer models are unpriced until then"
        return [warning(CHECK, f"{text}, {age_days} days ago", mend)]
    return [ok(CHECK, text)]
