"""Price, PriceBook, Charge: records of the room. Rates are nano-USD per million units, fees nano-USD each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property

import msgspec

from tollhouse.pricing.rates import highest_input_rate, highest_output_rate


class PriceStatus(StrEnum):
    """`priced`: by a row of the book; `unpriced`: no row, cost unknown (NULL); `free`: nothing billable happened."""

    PRICED = "priced"
    UNPRICED = "unpriced"
    FREE = "free"


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Rates that replace the row's for the whole call when its input tokens pass `above` (`>` or `>=`)."""

    operator: str
    above: int
    rates: Mapping[str, int]


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """A weekly time of day in UTC: on `days` (0 is Monday), from one minute of the day up to another."""

    days: tuple[int, ...]
    from_minute: int
    to_minute: int
    """Exclusive; at most 1440. A span over midnight is two of these."""


class Price(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One dated row of the book; the interval is half-open, None means open-ended."""

    id: str
    provider: str
    model: str
    region: str | None = None
    tier: str = "standard"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    rates: Mapping[str, int]
    fees: Mapping[str, int] = {}
    bands: tuple[Band, ...] = ()
    hours: tuple[Hours, ...] = ()
    """When in the week the row holds, by the request's time; empty: always. Such a row goes before one without."""
    context_tokens: int | None = None
    """The model's context window: the bound of referenced input."""
    output_tokens_max: int | None = None
    source: str
    retrieved: str
    """ISO date on which the source was read."""
    note: str | None = None
    """Why these figures, where sources disagree."""

    @cached_property
    def holds_always(self) -> bool:
        """Whether it is in force in every region at every moment."""
        return self.region is None and self.valid_from is None and self.valid_to is None and not self.hours

    @cached_property
    def dearest(self) -> tuple[int | None, int | None]:
        """The highest rates at which an input and an output token can be billed below all bands; worked out once."""
        return highest_input_rate(self.rates), highest_output_rate(self.rates)


class ChargeLine(msgspec.Struct, frozen=True, kw_only=True):
    """quantity × rate, rounded half-even once. For a fee the rate is per item, else per million units."""

    unit: str
    quantity: int
    rate_nano_usd: int
    cost_nano_usd: int
    fee: bool = False
    basis: str | None = None
    """Where the row has no rate for the unit itself: what its rate was taken from, such as `1.25 x input`."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """usage × price. `cost_nano_usd` is None exactly when `status` is unpriced."""

    status: PriceStatus
    cost_nano_usd: int | None
    lines: tuple[ChargeLine, ...] = ()
    price_id: str | None = None
    book_version: str
    missing: tuple[str, ...] = ()
    """Why it is unpriced: units and fees that the row has no rate for; empty where there is no row at all."""
