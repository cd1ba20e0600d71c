"""Which row holds, what usage costs by it, and what a call may cost at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.metering.model import Flag, Usage, UsageSource
from tollhouse.pricing.model import Band, Hours, Price, PriceStatus
from tollhouse.pricing.rates import FALLBACKS, INPUT_UNITS, OUTPUT_UNITS
from tollhouse.pricing.rules import PriceBook, ceiling, charge

MakeRow = Callable[..., Price]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def used(fees: dict[str, int] | None = None, **units: int) -> Usage:
    total = sum(count for unit, count in units.items() if unit in INPUT_UNITS)
    return Usage(source=UsageSource.REPORTED, units=units, fees=fees or {}, input_tokens=total)


def test_interval_is_half_open(row: MakeRow) -> None:
    """A row holds from its first moment up to, and not at, its end."""
    first = row(id="a", valid_to=at("2026-03-01"))
    second = row(id="b", valid_from=at("2026-03-01"))
    book = PriceBook.build("v", [first, second])
    assert book.find("p", "m", at=at("2026-02-28T23:59:59")) == first
    assert book.find("p", "m", at=at("2026-03-01")) == second


def test_region_of_its_own_goes_before_the_general_row(row: MakeRow) -> None:
    """A region's row holds there; elsewhere the general one does."""
    book = PriceBook.build("v", [row(id="any"), row(id="us", region="us")])
    found = [book.find("p", "m", region=region) for region in (None, "us", "eu")]
    assert [price.id for price in found if price] == ["any", "us", "any"]


def test_a_tier_without_a_row_is_unpriced(row: MakeRow) -> None:
    """No tier is a universal multiple of another."""
    assert PriceBook.build("v", [row()]).find("p", "m", tier="priority") is None


def test_hours_use_the_time_of_the_request(row: MakeRow) -> None:
    """A peak row holds in its hours on its days, and the other at all other times."""
    peak = row(id="peak", hours=(Hours(days=(0, 1, 2, 3, 4), from_minute=60, to_minute=240),))
    book = PriceBook.build("v", [row(id="rest"), peak])
    moments = ["2026-09-15T00:59", "2026-09-15T01:00", "2026-09-15T03:59", "2026-09-15T04:00", "2026-09-19T02:00"]
    found = [book.find("p", "m", at=at(moment)) for moment in moments]
    assert [price.id for price in found if price] == ["rest", "peak", "peak", "rest", "rest"]


def test_tiers_lists_what_a_call_could_be_served_in(row: MakeRow) -> None:
    """A ceiling needs the row of every tier."""
    book = PriceBook.build("v", [row(id="a"), row(id="b", tier="priority"), row(id="c", tier="flex")])
    assert {price.id for price in book.tiers("p", "m")} == {"a", "b", "c"}


def test_two_rows_with_one_id_are_refused(row: MakeRow) -> None:
    """Every row can be named."""
    with pytest.raises(ValueError, match="have the id m"):
        PriceBook.build("v", [row(), row()])


def test_band_is_chosen_by_input_alone_and_touches_every_line(row: MakeRow) -> None:
    """The whole call is billed at the band that its input reaches; the output does not count towards it."""
    band = Band(operator=">", above=1000, rates={"input": 4_000_000_000, "output": 15_000_000_000})
    price = row(bands=(band,))
    below = charge(used(input=900, read=100, output=5000), price, book_version="v")
    above = charge(used(input=900, read=101, output=5000), price, book_version="v")
    assert [line.rate_nano_usd for line in below.lines] == [2 * 10**9, 2 * 10**9, 10 * 10**9]
    assert [line.rate_nano_usd for line in above.lines] == [4 * 10**9, 4 * 10**9, 15 * 10**9]


def test_boundary_operator_is_data(row: MakeRow) -> None:
    """`>=` includes the boundary, `>` does not."""
    band = Band(operator=">=", above=1000, rates={"input": 4_000_000_000})
    assert charge(used(input=1000), row(bands=(band,)), book_version="v").cost_nano_usd == 4_000_000
    other = Band(operator=">", above=1000, rates={"input": 4_000_000_000})
    assert charge(used(input=1000), row(bands=(other,)), book_version="v").cost_nano_usd == 2_000_000


def test_no_row_is_unpriced_not_zero() -> None:
    """An unknown model has an unknown cost."""
    charged = charge(used(input=1), None, book_version="v")
    assert (charged.status, charged.cost_nano_usd) == (PriceStatus.UNPRICED, None)


def test_a_unit_without_a_rate_makes_the_call_unpriced_and_is_named(row: MakeRow) -> None:
    """Audio is not billed as text; the lines that are known stay."""
    charged = charge(used(input=10, audio_in=5), row(), book_version="v")
    assert (charged.status, charged.cost_nano_usd, charged.missing) == (PriceStatus.UNPRICED, None, ("audio_in",))
    assert [line.unit for line in charged.lines] == ["input"]


def test_a_fee_without_a_rate_makes_the_call_unpriced(row: MakeRow) -> None:
    """A search is not free because the row forgot it."""
    assert charge(used({"web_search": 1}, input=1), row(), book_version="v").missing == ("web_search",)


def test_turns_of_another_model_leave_the_cost_unknown(row: MakeRow) -> None:
    """One model's row cannot price another's tokens, and the call does not pass for fully priced."""
    usage = Usage(source=UsageSource.REPORTED, units={"input": 1}, flags=(Flag.OTHER_MODEL.value,))
    charged = charge(usage, row(), book_version="v")
    assert (charged.status, charged.missing, len(charged.lines)) == (PriceStatus.UNPRICED, ("other_model",), 1)


def test_explicit_zero_is_a_price(row: MakeRow) -> None:
    """A self-hosted model costs nothing, and that is known."""
    charged = charge(used(input=10, output=10), row(rates={"input": 0, "output": 0}), book_version="v")
    assert (charged.status, charged.cost_nano_usd) == (PriceStatus.PRICED, 0)


def test_nothing_billed_is_free(row: MakeRow) -> None:
    """Usage without a source costs nothing whatever the row says."""
    charged = charge(Usage(source=UsageSource.NONE), row(), book_version="v")
    assert (charged.status, charged.cost_nano_usd, charged.lines) == (PriceStatus.FREE, 0, ())


def test_unmetered_usage_is_unpriced(row: MakeRow) -> None:
    """An answer that could not be read is not free."""
    usage = Usage(source=UsageSource.ESTIMATED, flags=(Flag.UNMETERED.value,))
    assert charge(usage, row(), book_version="v").status is PriceStatus.UNPRICED


def test_derived_rates_name_their_basis(row: MakeRow) -> None:
    """Writes without a row are 1.25 and 2 times the input, and say so."""
    charged = charge(used(write_5m=10, write_1h=10, read=10), row(), book_version="v")
    found = [(line.unit, line.rate_nano_usd, line.basis) for line in charged.lines]
    assert found == [
        ("write_5m", 2_500_000_000, "1.25 x input"),
        ("write_1h", 4_000_000_000, "2 x input"),
        ("read", 2_000_000_000, "input"),
    ]


def test_each_line_is_rounded_once_half_even(row: MakeRow) -> None:
    """Half a nano-dollar goes to the even neighbour, line by line."""
    price = row(rates={"input": 500_000, "output": 1_500_000})
    charged = charge(used(input=1, output=1), price, book_version="v")
    assert [line.cost_nano_usd for line in charged.lines] == [0, 2]
    assert charged.cost_nano_usd == 2


def test_ceiling_takes_the_dearest_way(row: MakeRow) -> None:
    """Input at the one-hour write rate, in the dearest band within reach; each choice at its full output."""
    band = Band(operator=">", above=1000, rates={"input": 4_000_000_000, "output": 15_000_000_000})
    price = row(bands=(band,))
    low = ceiling(price, 1000, 100, 1)
    high = ceiling(price, 2000, 100, 3)
    assert low is not None
    assert high is not None
    assert 0 <= low - (1000 * 4000 + 100 * 10_000) <= 20
    assert 0 <= high - (2000 * 8000 + 300 * 15_000) <= 20


def test_ceiling_is_unknown_without_a_rate(row: MakeRow) -> None:
    """A side that may be used and has no rate has no ceiling; an unused one needs none."""
    price = row(rates={"input": 100})
    assert ceiling(price, 10, 1) is None
    assert ceiling(price, 10, 0) is not None


RATES = st.dictionaries(st.sampled_from([*INPUT_UNITS, *OUTPUT_UNITS]), st.integers(0, 10**11), max_size=8)
UNITS = st.dictionaries(st.sampled_from([*INPUT_UNITS, *OUTPUT_UNITS]), st.integers(0, 10**7), max_size=6)
BANDS = st.lists(
    st.builds(Band, operator=st.sampled_from([">", ">="]), above=st.integers(1, 10**6), rates=RATES), max_size=3
)


@st.composite
def rows(draw: st.DrawFn) -> Price:
    rates = {"input": draw(st.integers(0, 10**11)), "output": draw(st.integers(0, 10**11)), **draw(RATES)}
    bands = tuple(draw(BANDS))
    return Price(id="r", provider="p", model="m", rates=rates, bands=bands, source="s", retrieved="2026-11-21")


@settings(max_examples=120, deadline=None)
@given(rows(), UNITS)
def test_lines_sum_to_the_cost_and_the_ceiling_covers_it(price: Price, units: dict[str, int]) -> None:
    """The cost is the sum of its lines and never passes the ceiling of as many tokens."""
    usage = used(**units)
    charged = charge(usage, price, book_version="v")
    known = sum(line.cost_nano_usd for line in charged.lines)
    assert charged.cost_nano_usd is None or charged.cost_nano_usd == known
    output = sum(count for unit, count in units.items() if unit in OUTPUT_UNITS)
    most = ceiling(price, usage.input_tokens or 0, output)
    assert most is not None
    assert known <= most


@settings(max_examples=100, deadline=None)
@given(rows(), UNITS, st.sampled_from([*INPUT_UNITS, *OUTPUT_UNITS]), st.integers(1, 10**5))
def test_cost_is_monotone_within_a_band(price: Price, units: dict[str, int], unit: str, more: int) -> None:
    """More of any unit never costs less, as long as the band stays."""
    flat = Price(id="f", provider="p", model="m", rates=price.rates, source="s", retrieved="2026-11-21")
    before = charge(used(**units), flat, book_version="v")
    after = charge(used(**{**units, unit: units.get(unit, 0) + more}), flat, book_version="v")
    assert sum(line.cost_nano_usd for line in after.lines) >= sum(line.cost_nano_usd for line in before.lines)


def test_every_fallback_is_a_unit() -> None:
    """The table of stand-in rates names units alone."""
    named = {unit for unit, others in FALLBACKS.items() for unit in (unit, *others)}
    assert named <= {*INPUT_UNITS, *OUTPUT_UNITS}


def test_time_of_a_charge_is_printed(row: MakeRow, book: PriceBook, capsys: pytest.CaptureFixture[str]) -> None:
    """Microseconds of one look-up, one charge, one ceiling: shown to people, not judged."""
    usage, moment = used(input=1000, read=8000, write_5m=500, output=700), at("2026-11-21T12:00")
    price = book.find("anthropic", "claude-opus-5-5", at=moment)
    assert price is not None
    work = {
        "find": lambda: book.find("anthropic", "claude-opus-5-5", at=moment),
        "find dated": lambda: book.find("anthropic", "claude-opus-5-5-20260922", at=moment),
        "charge": lambda: charge(usage, price, book_version="v"),
        "ceiling": lambda: ceiling(price, 4000, 1000),
    }
    with capsys.disabled():
        for name, step in work.items():
            began = time.perf_counter()
            for _ in range(2000):
                step()
            print(f"\n  {name}: {(time.perf_counter() - began) / 2000 * 1e6:.1f} µs", end="")
    assert charge(usage, price, book_version="v").status is PriceStatus.PRICED
