"""The price book and what is decided by it: which row holds, what usage costs, what a call may cost at most.

Rules: a model id is matched exactly, then as a configured alias, then without its date, then (Bedrock) without its
region and version; never by an open prefix. No row, or a unit without a rate, is `unpriced`: never zero, and never a
neighbour's price. A band is chosen by input tokens alone and holds for the whole call. Each line is rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

import msgspec

from tollhouse.kernel.money import line_cost
from tollhouse.metering.model import Flag, Usage, UsageSource
from tollhouse.pricing.matching import candidates
from tollhouse.pricing.model import Band, Charge, ChargeLine, Price, PriceStatus
from tollhouse.pricing.rates import INPUT_UNITS, OUTPUT_UNITS, highest_input_rate, highest_output_rate, rate_of

STANDARD = "standard"

# Looked up once: a member by its class costs more than most of what is decided by it.
_NONE, _PRICED, _UNPRICED = UsageSource.NONE, PriceStatus.PRICED, PriceStatus.UNPRICED

OTHER_MODEL = "other_model"
"""Stands among what is missing when another model served part of an answer: this row cannot price that part."""

Aliases = Mapping[tuple[str, str], str]
"""(provider, name used) -> model of the book: a deployment's base model, a moving name."""


NEAREST_MAX = 4096
SLACK = len(INPUT_UNITS) + len(OUTPUT_UNITS)
"""Nano-USD: one for each line that rounding may have raised, since input may be billed in as many lines as units."""


class PriceBook(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the book with its indexes. Made by `build`; look-ups take the same time in a book of any size."""

    version: str
    prices: Mapping[str, Price]
    """By id."""
    aliases: Aliases
    index: Mapping[tuple[str, str], tuple[Price, ...]]
    """(provider, model) -> its rows, the most particular and latest first."""
    nearest: dict[tuple[str, str], tuple[tuple[Price, ...], str | None]] = {}
    """Names that are not in the index, as they were resolved before; at most NEAREST_MAX, forgotten together."""

    @classmethod
    def build(cls, version: str, prices: Iterable[Price], aliases: Aliases | None = None) -> Self:
        """A book of these rows. ValueError when two of them have one id."""
        by_id: dict[str, Price] = {}
        by_model: dict[tuple[str, str], list[Price]] = {}
        for price in prices:
            if price.id in by_id:
                raise ValueError(f"two prices have the id {price.id}")
            by_id[price.id] = price
            by_model.setdefault((price.provider, price.model), []).append(price)
        index = {key: tuple(sorted(rows, key=_particularity, reverse=True)) for key, rows in by_model.items()}
        return cls(version=version, prices=by_id, aliases=dict(aliases or {}), index=index)

    def find(
        self, provider: str, model: str, tier: str = STANDARD, region: str | None = None, at: datetime | None = None
    ) -> Price | None:
        """The row for a model at a moment (aware UTC; None: the row without an end); None means unpriced.

        A row without a region holds in every region that has none of its own. A tier without a row is unpriced.
        """
        rows = self.index.get((provider, model))
        where = region
        if rows is None:
            rows, where = self._rows(provider, model, region)
        for price in rows:
            if price.tier == tier and (price.holds_always or _holds(price, where, at)):
                return price
        return None

    def tiers(
        self, provider: str, model: str, region: str | None = None, at: datetime | None = None
    ) -> tuple[Price, ...]:
        """The row of each tier that a call could be served in: what a ceiling has to cover."""
        rows, where = self._rows(provider, model, region)
        found: dict[str, Price] = {}
        for price in rows:
            if price.tier not in found and _holds(price, where, at):
                found[price.tier] = price
        return tuple(found.values())

    def _rows(self, provider: str, model: str, region: str | None) -> tuple[tuple[Price, ...], str | None]:
        """Rows of the nearest name that the model may stand under, and the region (a name may imply one)."""
        rows = self.index.get((provider, model))
        if rows is not None:
            return rows, region
        known = self.nearest.get((provider, model))
        if known is None:
            known = self._nearest(provider, model)
            if len(self.nearest) >= NEAREST_MAX:
                self.nearest.clear()
            self.nearest[provider, model] = known
        return known[0], region or known[1]

    def _nearest(self, provider: str, model: str) -> tuple[tuple[Price, ...], str | None]:
        for name, named_region in candidates(provider, model):
            found = self.index.get((provider, name)) or self._aliased(provider, name)
            if found is not None:
                return found, named_region
        return (), None

    def _aliased(self, provider: str, name: str) -> tuple[Price, ...] | None:
        """Rows of the model that a configured alias stands for; an alias is followed once."""
        model = self.aliases.get((provider, name))
        if model is None:
            return None
        rows = (self.index.get((provider, base)) for base, _ in candidates(provider, model))
        return next((found for found in rows if found is not None), None)


def _particularity(price: Price) -> tuple[bool, bool, float]:
    began = price.valid_from.timestamp() if price.valid_from else float("-inf")
    return price.region is not None, bool(price.hours), began


def _holds(price: Price, region: str | None, at: datetime | None) -> bool:
    """Whether a row is in force in a region at a moment."""
    if price.region is not None and price.region != region:
        return False
    if at is None:
        return price.valid_to is None and not price.hours
    if (price.valid_from is not None and at < price.valid_from) or (
        price.valid_to is not None and at >= price.valid_to
    ):
        return False
    if not price.hours:
        return True
    day, minute = at.weekday(), at.hour * 60 + at.minute
    return any(day in span.days and span.from_minute <= minute < span.to_minute for span in price.hours)


def charge(usage: Usage, price: Price | None, *, book_version: str) -> Charge:
    """What usage costs by a row. Unpriced without a row, or where a unit or fee has no rate: then `missing` names it.

    The lines that could be priced are given in any case, so that a partial sum can be shown.
    """
    if usage.source is _NONE:
        return Charge(status=PriceStatus.FREE, cost_nano_usd=0, book_version=book_version)
    if price is None or (usage.flags and Flag.UNMETERED in usage.flags):
        return Charge(status=PriceStatus.UNPRICED, cost_nano_usd=None, book_version=book_version)
    lines: list[ChargeLine] = []
    missing = [OTHER_MODEL] if usage.flags and Flag.OTHER_MODEL in usage.flags else []
    total = 0
    rates = rates_for(price, usage.input_tokens or 0) if price.bands else price.rates
    for unit, quantity in usage.units.items():
        rate, basis = rates.get(unit), None
        if rate is None:
            found = rate_of(rates, unit)
            if found is None:
                missing.append(unit)
                continue
            rate, basis = found
        cost = line_cost(quantity, rate)
        total += cost
        lines.append(ChargeLine(unit=unit, quantity=quantity, rate_nano_usd=rate, cost_nano_usd=cost, basis=basis))
    for fee, quantity in usage.fees.items() if usage.fees else ():
        each = price.fees.get(fee)
        if each is None:
            missing.append(fee)
            continue
        total += quantity * each
        lines.append(
            ChargeLine(unit=fee, quantity=quantity, rate_nano_usd=each, cost_nano_usd=quantity * each, fee=True)
        )
    return Charge(
        status=_UNPRICED if missing else _PRICED,
        cost_nano_usd=None if missing else total,
        lines=tuple(lines),
        price_id=price.id,
        book_version=book_version,
        missing=tuple(missing),
    )


def rates_for(price: Price, input_tokens: int) -> Mapping[str, int]:
    """The row's rates for a call with so many input tokens, cached ones included.

    Of several bands that are passed, the highest counts. A band's rates replace the row's; what it does not name
    keeps the row's rate.
    """
    chosen = None
    for band in price.bands:
        if _passes(band, input_tokens) and (chosen is None or band.above >= chosen.above):
            chosen = band
    return price.rates if chosen is None else {**price.rates, **chosen.rates}


def _passes(band: Band, input_tokens: int) -> bool:
    return input_tokens >= band.above if band.operator == ">=" else input_tokens > band.above


def ceiling(price: Price, input_tokens_max: int, output_tokens_max: int, choices: int = 1) -> int | None:
    """The most that so many tokens can cost by this row, fees aside, in nano-USD.

    Every input token is taken at the dearest way to bill it, cache writes included, in the dearest band within reach,
    and each choice at the full output. None where the row has no rate for a side that may be used.
    """
    dearest_in, dearest_out = price.dearest
    if (dearest_in is None and input_tokens_max) or (dearest_out is None and output_tokens_max):
        return None
    for band in price.bands:
        if _passes(band, input_tokens_max):
            rates = {**price.rates, **band.rates}
            input_rate, output_rate = highest_input_rate(rates), highest_output_rate(rates)
            if (input_rate is None and input_tokens_max) or (output_rate is None and output_tokens_max):
                return None
            dearest_in = max(dearest_in or 0, input_rate or 0)
            dearest_out = max(dearest_out or 0, output_rate or 0)
    tokens_out = output_tokens_max * choices if choices > 1 else output_tokens_max
    slack = SLACK if price.rates else 0
    return line_cost(input_tokens_max, dearest_in or 0) + line_cost(tokens_out, dearest_out or 0) + slack
