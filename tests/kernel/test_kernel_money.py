"""Money is exact, and rounds half to even once."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.kernel.money import NANO_PER_USD, UNITS_PER_RATE, format_usd, line_cost, round_half_even, usd_to_nano

AMOUNTS = st.integers(-(10**24), 10**24)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(5, 10, 0), (15, 10, 2), (25, 10, 2), (26, 10, 3), (24, 10, 2), (-5, 10, 0), (-15, 10, -2), (0, 7, 0), (7, 7, 1)],
)
def test_ties_go_to_the_even_neighbour(numerator: int, denominator: int, rounded: int) -> None:
    """Half-even, below zero as above."""
    assert round_half_even(numerator, denominator) == rounded


@given(numerator=AMOUNTS, denominator=st.integers(1, 10**12))
def test_rounding_is_that_of_exact_fractions(numerator: int, denominator: int) -> None:
    """The integer rule and Python's fractions agree, whatever the numbers."""
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(quantity=st.integers(0, 10**9), rate=st.integers(0, 10**12))
def test_a_line_is_its_exact_product_rounded_once(quantity: int, rate: int) -> None:
    """quantity × rate / a million, to the nano-dollar."""
    exact = Decimal(quantity * rate).scaleb(-6)
    assert line_cost(quantity, rate) == int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def test_a_million_units_cost_the_rate() -> None:
    """The unit of a rate."""
    assert line_cost(UNITS_PER_RATE, 3 * NANO_PER_USD) == 3 * NANO_PER_USD


@given(amount=AMOUNTS)
def test_an_amount_survives_being_printed(amount: int) -> None:
    """Printed in dollars and read again, it is the same."""
    assert usd_to_nano(format_usd(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "printed"), [(5_250_000, "0.00525"), (0, "0"), (-1, "-0.000000001"), (2 * NANO_PER_USD, "2")]
)
def test_amounts_are_printed_without_trailing_zeros(amount: int, printed: str) -> None:
    """As a plain decimal, never in powers of ten."""
    assert format_usd(amount) == printed


@pytest.mark.parametrize("text", ["0.0000000001", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_whole_number_of_nano_dollars_is_refused(text: str) -> None:
    """Digits beyond the nano-dollar are an error, not a rounding."""
    with pytest.raises(ValueError, match="finite"):
        usd_to_nano(text)
