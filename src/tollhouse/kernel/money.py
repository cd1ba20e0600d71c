"""Money is an integer of nano-USD; a price is an integer of nano-USD per million units.

A line is rounded half-even once, here; totals are sums of lines. No float ever touches an amount.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NewType

NanoUsd = NewType("NanoUsd", int)

NANO_PER_USD = 1_000_000_000
UNITS_PER_RATE = 1_000_000


def line_cost(quantity: int, rate_nano_usd_per_million: int) -> NanoUsd:
    """Cost of `quantity` units at a rate per million units, rounded half-even to a whole nano-USD."""
    quotient, remainder = divmod(quantity * rate_nano_usd_per_million, UNITS_PER_RATE)
    if remainder * 2 < UNITS_PER_RATE:
        return quotient  # type: ignore[return-value]  # a call for the sake of the type alone, four times per call
    return NanoUsd(round_half_even(quantity * rate_nano_usd_per_million, UNITS_PER_RATE))


def round_half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator as the nearest integer, ties to even; denominator > 0."""
    quotient, remainder = divmod(numerator, denominator)
    twice = remainder * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def usd_to_nano(amount: str | Decimal) -> NanoUsd:
    """An exact decimal amount of USD as nano-USD; ValueError if it has digits beyond the nano-dollar."""
    value = amount if isinstance(amount, Decimal) else Decimal(amount)
    nano = value * NANO_PER_USD
    if not nano.is_finite() or nano != nano.to_integral_value():
        raise ValueError("an amount of USD must be finite and have at most nine decimal places")
    return NanoUsd(int(nano))


def format_usd(amount: int) -> str:
    """Nano-USD as a plain decimal string without trailing zeros: 5250000 -> '0.00525'."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), NANO_PER_USD)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:09d}".rstrip("0")
