"""When rows of a book hold, and whether two of them claim the same moment.

Rules: rows of one key (provider, model, region, tier) may not overlap. A row with hours lies over one without by
intent; two rows with hours overlap only where their hours do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from tollhouse.pricing.model import Hours, Price


def first_overlap(prices: Iterable[Price]) -> tuple[Price, Price] | None:
    """Two rows that would both hold at some moment, or None."""
    groups: dict[tuple[str, str, str | None, str, bool], list[Price]] = defaultdict(list)
    for price in prices:
        groups[(price.provider, price.model, price.region, price.tier, bool(price.hours))].append(price)
    for rows in groups.values():
        for one, other in combinations(rows, 2):
            if _intervals_meet(one, other) and _hours_meet(one.hours, other.hours):
                return one, other
    return None


def _intervals_meet(one: Price, other: Price) -> bool:
    ends_before = one.valid_to is not None and other.valid_from is not None and one.valid_to <= other.valid_from
    begins_after = one.valid_from is not None and other.valid_to is not None and other.valid_to <= one.valid_from
    return not ends_before and not begins_after


def _hours_meet(one: tuple[Hours, ...], other: tuple[Hours, ...]) -> bool:
    if not one and not other:
        return True
    return any(
        set(a.days) & set(b.days) and a.from_minute < b.to_minute and b.from_minute < a.to_minute
        for a in one
        for b in other
    )
