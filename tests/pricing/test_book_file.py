"""Reading price books: the package's own is sound, and a damaged one is refused with row and reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import combinations

import pytest

from tollhouse.pricing.book_file import BookError, load_package_book, read_book
from tollhouse.pricing.model import Price
from tollhouse.pricing.rules import PriceBook

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USD = 10**9


def file_of(*rows: dict, **top: object) -> dict[str, bytes]:
    """A book of one file; each row over a sound one."""
    sound = {"id": "a", "model": "m", "rates": {"input": "1"}, "source": "s", "retrieved": "2026-11-21"}
    content = {"provider": "p", "prices": [{**sound, **row} for row in rows], **top}
    return {"p.json": json.dumps(content).encode()}


def rates(book: PriceBook, provider: str, model: str, tier: str = "standard", at: datetime = NOW) -> dict[str, float]:
    price = book.find(provider, model, tier, at=at)
    assert price is not None, (provider, model)
    return {unit: rate / USD for unit, rate in price.rates.items()}


def test_amounts_are_exact() -> None:
    """Decimal strings become whole nano-USD."""
    book = read_book(file_of({"rates": {"input": "0.003625", "read": "12.5"}, "fees": {"web_search": "0.0025"}}))
    price = book.prices["a"]
    assert (dict(price.rates), dict(price.fees)) == (
        {"input": 3_625_000, "read": 12_500_000_000},
        {"web_search": 2_500_000},
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"rates": {"input": 1.5}}], "Expected `str`"),
        ([{"rates": {"input": "1.0000000001"}}], "row a: .*nine decimal"),
        ([{"rates": {"input": "-1"}}], "row a: .*below zero"),
        ([{"rates": {"input": "NaN"}}], "row a: "),
        ([{"rates": {"input": "cheap"}}], "row a: 'cheap' is not a decimal"),
        ([{"rates": {"inputs": "1"}}], "row a: unknown unit inputs"),
        ([{"fees": {"tip": "1"}}], "row a: unknown fee tip"),
        ([{"rates": {}}], "row a: .*at least one rate"),
        ([{"source": " "}], "row a: a source is needed"),
        ([{"retrieved": "yesterday"}], "row a: "),
        ([{"valid_from": "2026-02-01T00:00:00Z", "valid_to": "2026-01-01T00:00:00Z"}], "row a: .*ends before"),
        ([{"valid_from": "2026-02-01T00:00:00"}], "row a: .*time zone"),
        ([{"bands": [{"operator": "<", "above": 5, "rates": {}}]}], "row a: .*operator"),
        ([{"hours": [{"days": [7], "from_minute": 0, "to_minute": 5}]}], "row a: days"),
        ([{"hours": [{"days": [1], "from_minute": 9, "to_minute": 5}]}], "row a: hours"),
        ([{"context_tokens": 0}], "row a: token limits"),
        ([{"surprise": 1}], "unknown field"),
        ([{}, {}], "two rows have the id a"),
        ([{}, {"id": "b", "valid_from": "2026-01-01T00:00:00Z"}], "rows a and b hold at the same time"),
    ],
)
def test_a_damaged_book_is_refused_with_its_reason(rows: list[dict], reason: str) -> None:
    """What is wrong is said, and where."""
    with pytest.raises(BookError, match=reason):
        read_book(file_of(*rows))


def test_adjoining_intervals_do_not_overlap() -> None:
    """One row may end at the moment at which the next begins."""
    moment = "2026-01-01T00:00:00Z"
    assert len(read_book(file_of({"valid_to": moment}, {"id": "b", "valid_from": moment})).prices) == 2


def test_regions_make_rows_of_their_own_with_fees_unchanged() -> None:
    """A geography's factor touches token rates, in bands too, and not fees."""
    band = {"operator": ">", "above": 5, "rates": {"input": "2"}}
    book = read_book(file_of({"regions": {"us": "1.1"}, "fees": {"web_search": "0.01"}, "bands": [band]}))
    price = book.find("p", "m", region="us", at=NOW)
    assert price is not None
    assert (price.rates["input"], price.bands[0].rates["input"], price.fees["web_search"]) == (
        1_100_000_000,
        2_200_000_000,
        10_000_000,
    )


def test_version_is_the_contents() -> None:
    """The same rows are the same version; a changed row is another."""
    assert read_book(file_of({})).version == read_book(file_of({})).version
    assert read_book(file_of({})).version != read_book(file_of({"note": "x"})).version
    assert load_package_book().version == load_package_book().version


def test_every_row_has_its_origin(book: PriceBook) -> None:
    """Source and date stand on every row of the package's book."""
    assert all(price.source.startswith("https://") and price.retrieved for price in book.prices.values())
    assert len({model for _, model in book.index}) > 150


def test_no_two_ids_share_a_row_unless_an_alias_says_so(book: PriceBook) -> None:
    """Each id of the book is priced by rows of its own name."""
    for provider, model in book.index:
        price = book.find(provider, model, at=NOW)
        assert price is None or price.model == model
    for one, other in combinations(book.index, 2):
        assert not {price.id for price in book.index[one]} & {price.id for price in book.index[other]}


def test_every_alias_leads_to_a_row(book: PriceBook) -> None:
    """An alias to nothing would be an unpriced model in disguise."""
    assert all(book.find(provider, name, at=NOW) for provider, name in book.aliases)


def test_read_is_never_dearer_than_input(book: PriceBook) -> None:
    """A cache read that costs more than input is a swapped column."""
    odd = [p.id for p in book.prices.values() if p.rates.get("read", 0) > p.rates.get("input", p.rates.get("read", 0))]
    assert odd == []


def test_bands_raise_prices(book: PriceBook) -> None:
    """Long context never costs less, and a band names both sides."""

    def is_sound(price: Price) -> bool:
        return all(
            {"input", "output"} <= band.rates.keys()
            and all(rate >= price.rates[unit] for unit, rate in band.rates.items() if unit in price.rates)
            for band in price.bands
        )

    assert [price.id for price in book.prices.values() if not is_sound(price)] == []


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("anthropic", "claude-opus-5-5", {"input": 4, "output": 20, "read": 0.2, "write_5m": 5, "write_1h": 8}),
        ("anthropic", "claude-opus-5-5-20260922", {"input": 4, "output": 20, "read": 0.2}),
        ("anthropic", "claude-opus-5", {"input": 5, "output": 25, "read": 0.5}),
        ("anthropic", "claude-fable-5", {"read": 1}),
        ("anthropic", "claude-fable-5-1", {"read": 0.25}),
        ("anthropic", "claude-sonnet-5", {"input": 2, "output": 10}),
        ("anthropic", "claude-sonnet-4-5-20250929", {"input": 3, "output": 15}),
        ("anthropic", "claude-3-5-sonnet-20241022", {"input": 3, "output": 15}),
        ("openai", "gpt-4o-2024-05-13", {"input": 5, "output": 15}),
        ("openai", "gpt-4o-2024-08-06", {"input": 2.5, "output": 10, "read": 1.25}),
        ("openai", "gpt-4o-mini-2024-07-18", {"input": 0.15, "output": 0.6}),
        ("openai", "gpt-4o-audio-preview-2025-06-03", {"audio_in": 40}),
        ("openai", "gpt-realtime", {"read": 0.4, "audio_read": 0.4, "image_read": 0.5, "audio_in": 32}),
        ("openai", "gpt-5.6-luna", {"input": 0.2, "output": 1.2}),
        ("openai", "text-embedding-3-small", {"input": 0.02}),
        ("gemini", "gemini-3.1-pro-preview", {"read": 0.2, "input": 2, "audio_in": 2}),
        ("gemini", "gemini-2.5-flash", {"input": 0.3, "read": 0.03, "audio_in": 1, "audio_read": 0.1}),
        ("xai", "grok-4.20", {"input": 1.25, "output": 2.5, "read": 0.2}),
        ("deepseek", "deepseek-v4-pro", {"input": 0.66, "read": 0.022, "output": 1.98}),
    ],
)
def test_known_traps_come_out_right(book: PriceBook, provider: str, model: str, expected: dict[str, float]) -> None:
    """Ids that public tables get wrong, or that looser matching would give a neighbour's price."""
    found = rates(book, provider, model)
    assert {unit: found[unit] for unit in expected} == expected


@pytest.mark.parametrize("model", ["claude-opus-5-6", "claude-opus", "gpt-4o-ultra", "o3-", "gpt-5.6-lunar", "gpt"])
def test_neighbours_are_unpriced(book: PriceBook, model: str) -> None:
    """An id that is not in the book has no price."""
    assert [book.find(provider, model, at=NOW) for provider in ("openai", "anthropic")] == [None, None]


@pytest.mark.parametrize(
    ("model", "tier", "expected"),
    [
        ("gpt-4o", "priority", 4.25),
        ("gpt-4o", "batch", 1.25),
        ("o3", "priority", 3.5),
        ("gpt-5.6-sol", "priority", 8),
        ("gpt-6-astra", "fast", 20),
    ],
)
def test_tiers_are_data(book: PriceBook, model: str, tier: str, expected: float) -> None:
    """No tier is the same multiple everywhere."""
    assert rates(book, "openai", model, tier)["input"] == expected


@pytest.mark.parametrize(
    ("provider", "model", "moment", "expected"),
    [
        ("openai", "gpt-5.6-sol", "2026-08-20T12:00", 5),
        ("openai", "gpt-5.6-sol", "2026-08-21T12:00", 4),
        ("openai", "gpt-5.6-luna", "2026-07-29T12:00", 1),
        ("gemini", "gemini-3.6-flash", "2026-12-31T12:00", 0.75),
        ("gemini", "gemini-3.6-flash", "2027-01-01T00:00", 1.5),
        ("anthropic", "claude-sonnet-5", "2026-09-15T12:00", 2),
        ("deepseek", "deepseek-v4-pro", "2026-09-15T02:00", 1.32),
        ("deepseek", "deepseek-v4-pro", "2026-09-15T05:00", 0.66),
        ("deepseek", "deepseek-v4-pro", "2026-09-19T02:00", 0.66),
    ],
)
def test_prices_follow_the_moment(book: PriceBook, provider: str, model: str, moment: str, expected: float) -> None:
    """A closed row still prices its own time, a scheduled one begins when it says, a peak row at its hours."""
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert rates(book, provider, model, at=at)["input"] == expected
