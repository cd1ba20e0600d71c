"""A receipt: how a stored call came to cost what it cost, line by line, recomputed from what was stored.

Rules: takes values, gives lines of text with their names; nothing is looked up. The same usage and the same row must
give the stored amount again, and the receipt says whether they did. An unpriced call is explained too: what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from tollhouse.kernel.money import UNITS_PER_RATE, format_usd
from tollhouse.metering.model import Usage, UsageSource
from tollhouse.pricing.model import Charge, ChargeLine, Price, PriceStatus
from tollhouse.pricing.rates import INPUT_UNITS, OUTPUT_UNITS
from tollhouse.pricing.rules import charge, rates_for


class StoredCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger kept of a call's cost, and the row that it names (None where the book has lost it)."""

    usage: Usage
    status: PriceStatus
    cost_nano_usd: int | None
    lines: tuple[ChargeLine, ...] = ()
    price: Price | None = None
    book_version: str | None = None


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `kind` is `usage`, `check`, `price`, `charge`, `total` or `verdict`."""

    kind: str
    name: str
    text: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The whole account. `reproduced`: None where there is nothing to recompute from."""

    lines: tuple[ReceiptLine, ...]
    reproduced: bool | None


def explain(stored: StoredCost) -> Receipt:
    """The receipt of one stored call."""
    again = charge(stored.usage, stored.price, book_version=stored.book_version or "")
    reproduced = _reproduced(stored, again)
    lines = (
        *_usage_lines(stored.usage),
        *_check_lines(stored.usage),
        *_price_lines(stored),
        *_charge_lines(stored, again),
        *_total_lines(stored, again),
        _verdict(stored, again, reproduced),
    )
    return Receipt(lines=lines, reproduced=reproduced)


def _line(kind: str, name: str, text: str) -> ReceiptLine:
    return ReceiptLine(kind=kind, name=name, text=text)


def _usage_lines(usage: Usage) -> list[ReceiptLine]:
    raw = json.dumps(usage.raw, sort_keys=True) if usage.raw else "none reported"
    units = ", ".join(f"{unit} {quantity}" for unit, quantity in usage.units.items()) or "none"
    fees = ", ".join(f"{fee} {quantity}" for fee, quantity in usage.fees.items()) or "none"
    return [
        _line("usage", "source", usage.source.value),
        _line("usage", "raw usage", raw),
        _line("usage", "units", units),
        _line("usage", "fees", fees),
    ]


def _check_lines(usage: Usage) -> list[ReceiptLine]:
    """Whether the units add up to the token totals, side by side."""
    sides = (("input", INPUT_UNITS, usage.input_tokens), ("output", OUTPUT_UNITS, usage.output_tokens))
    lines = []
    for side, units, total in sides:
        parts = {unit: usage.units[unit] for unit in units if unit in usage.units}
        if total is None and not parts:
            continue
        added = sum(parts.values())
        terms = " + ".join(f"{unit} {quantity}" for unit, quantity in parts.items()) or "0"
        sign = "=" if added == total else "is not"
        lines.append(_line("check", f"{side} adds up", f"{terms} = {added} {sign} {total} {side} tokens"))
    if usage.flags:
        lines.append(_line("check", "flags", ", ".join(usage.flags)))
    return lines


def _price_lines(stored: StoredCost) -> list[ReceiptLine]:
    book = _line("price", "book version", stored.book_version or "none")
    price = stored.price
    if price is None:
        return [_line("price", "row", "none"), book]
    where = " ".join(filter(None, (price.provider, price.model, price.tier, price.region)))
    begin = price.valid_from.isoformat() if price.valid_from else "ever"
    end = price.valid_to.isoformat() if price.valid_to else "further notice"
    lines = [
        _line("price", "row", f"{price.id} ({where}), from {begin} to {end}"),
        _line("price", "source", f"{price.source}, read {price.retrieved}"),
        book,
    ]
    input_tokens = stored.usage.input_tokens or 0
    if rates_for(price, input_tokens) is not price.rates:
        passed = [f"{band.operator} {band.above}" for band in price.bands]
        text = f"{input_tokens} input tokens pass a limit of {', '.join(passed)}: its rates hold for the whole call"
        lines.insert(1, _line("price", "band", text))
    if price.note:
        lines.append(_line("price", "note", price.note))
    return lines


def _charge_lines(stored: StoredCost, again: Charge) -> list[ReceiptLine]:
    return [_line("charge", line.unit, describe(line)) for line in stored.lines or again.lines]


def describe(line: ChargeLine) -> str:
    """`quantity × rate = cost` in USD, with the rounding where there was any and the basis of a derived rate."""
    cost = format_usd(line.cost_nano_usd)
    if line.fee:
        return f"{line.quantity} × {format_usd(line.rate_nano_usd)} USD each = {cost} USD"
    exact = line.quantity * line.rate_nano_usd
    rounded = ", rounded half-even to the nano-dollar" if exact % UNITS_PER_RATE else ""
    basis = f" (rate from {line.basis})" if line.basis else ""
    rate = format_usd(line.rate_nano_usd)
    return f"{line.quantity} × {rate} USD per million{basis} = {cost} USD{rounded}"


def _total_lines(stored: StoredCost, again: Charge) -> list[ReceiptLine]:
    lines = []
    if again.missing:
        lines.append(_line("total", "no rate for", ", ".join(again.missing)))
    total = "unknown" if stored.cost_nano_usd is None else f"{format_usd(stored.cost_nano_usd)} USD"
    lines.append(_line("total", "total", f"{total} ({stored.status.value})"))
    return lines


def _reproduced(stored: StoredCost, again: Charge) -> bool | None:
    if stored.price is None and stored.status is PriceStatus.PRICED:
        return None
    same_lines = not stored.lines or _amounts(stored.lines) == _amounts(again.lines)
    return again.status is stored.status and again.cost_nano_usd == stored.cost_nano_usd and same_lines


def _amounts(lines: tuple[ChargeLine, ...]) -> Mapping[tuple[str, bool], tuple[int, int, int]]:
    return {(line.unit, line.fee): (line.quantity, line.rate_nano_usd, line.cost_nano_usd) for line in lines}


def _verdict(stored: StoredCost, again: Charge, reproduced: bool | None) -> ReceiptLine:
    if reproduced is None:
        text = "cannot be recomputed: the price row is not in the book"
    elif reproduced:
        text = "recomputed from the stored usage and price row: the same"
    else:
        found = "unknown" if again.cost_nano_usd is None else f"{format_usd(again.cost_nano_usd)} USD"
        text = f"recomputed from the stored usage and price row: {found}, which differs from what was stored"
    if stored.usage.source in (UsageSource.ESTIMATED, UsageSource.PARTIAL):
        text += f"; the usage itself is {stored.usage.source.value}"
    return _line("verdict", "reproduced", text)
