"""Reads price books from files: the package's own, or an operator's. The room's only file that does I/O.

Rules: amounts are decimal strings of USD - per million units, or each for a fee - and become whole nano-USD or are
refused, never rounded. A row is refused, with its id and the reason, for a float, an unknown unit, an interval that
ends before it begins, a missing source or date, or an overlap with another row of the same key. A book's version is
the hash of its contents, so that two books of one version are one book.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from importlib.resources import files

import msgspec

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.money import usd_to_nano
from tollhouse.pricing.model import Band, Hours, Price
from tollhouse.pricing.rates import FEES, INPUT_UNITS, OUTPUT_UNITS
from tollhouse.pricing.rules import STANDARD, PriceBook
from tollhouse.pricing.schedule import first_overlap

UNITS = frozenset((*INPUT_UNITS, *OUTPUT_UNITS))
OPERATORS = frozenset((">", ">="))
MINUTES_PER_DAY = 1440
DAYS_PER_WEEK = 7


class BookError(ConfigError):
    """A book cannot be used; the message names the file, the row and the reason."""


class BandRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A band as written; `above` in input tokens."""

    operator: str
    above: int
    rates: dict[str, str]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price as written: amounts in USD as decimal strings, moments in UTC.

    `regions`: factors of regions that cost more or less on all token lines; each makes a row of its own.
    """

    id: str
    model: str
    rates: dict[str, str]
    source: str
    retrieved: str
    region: str | None = None
    tier: str = STANDARD
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    fees: dict[str, str] = {}
    bands: list[BandRow] = []
    hours: list[Hours] = []
    regions: dict[str, str] = {}
    context_tokens: int | None = None
    output_tokens_max: int | None = None
    note: str | None = None


class BookFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's prices, and other names of its models."""

    provider: str
    aliases: dict[str, str] = {}
    prices: list[Row]


_DECODER = msgspec.json.Decoder(BookFile)


def load_package_book() -> PriceBook:
    """The book that comes with the package. BookError if it is damaged."""
    folder = files("tollhouse.pricing") / "books"
    return read_book({entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".json")})


def read_book(contents: Mapping[str, bytes]) -> PriceBook:
    """A book from the bytes of its files, by name. BookError on the first thing that is wrong."""
    prices: list[Price] = []
    aliases: dict[tuple[str, str], str] = {}
    digest = hashlib.sha256()
    for name in sorted(contents):
        content = contents[name]
        digest.update(hashlib.sha256(content).digest())
        try:
            book = _DECODER.decode(content)
        except msgspec.DecodeError as error:
            raise BookError(f"price book {name}: {error}") from error
        for row in book.prices:
            prices.extend(_prices(name, book.provider, row))
        aliases.update({(book.provider, alias): model for alias, model in book.aliases.items()})
    _refuse_duplicates(prices)
    overlap = first_overlap(prices)
    if overlap is not None:
        raise BookError(f"price book: rows {overlap[0].id} and {overlap[1].id} hold at the same time")
    return PriceBook.build(digest.hexdigest()[:16], prices, aliases)


def _refuse_duplicates(prices: Iterable[Price]) -> None:
    seen: set[str] = set()
    for price in prices:
        if price.id in seen:
            raise BookError(f"price book: two rows have the id {price.id}")
        seen.add(price.id)


def _prices(name: str, provider: str, row: Row) -> list[Price]:
    """The row's price, and one for each of its regions."""
    try:
        _check(row)
        base = _price(provider, row, row.region, Decimal(1))
        factors = {region: _decimal(factor) for region, factor in row.regions.items()}
        return [base, *(_price(provider, row, region, factor) for region, factor in factors.items())]
    except ValueError as error:
        raise BookError(f"price book {name}, row {row.id or '(no id)'}: {error}") from error


def _check(row: Row) -> None:
    """ValueError for what types do not say."""
    if not row.id or not row.model or (not row.rates and not row.fees):
        raise ValueError("id, model and at least one rate or fee are needed")
    if not row.source.strip():
        raise ValueError("a source is needed")
    date.fromisoformat(row.retrieved)
    for moment in (row.valid_from, row.valid_to):
        if moment is not None and moment.tzinfo is None:
            raise ValueError("moments need a time zone")
    if row.valid_from and row.valid_to and row.valid_to <= row.valid_from:
        raise ValueError("the interval ends before it begins")
    for span in row.hours:
        if not 0 <= span.from_minute < span.to_minute <= MINUTES_PER_DAY:
            raise ValueError("hours must lie within one day, the later minute last")
        if not span.days or not all(0 <= day < DAYS_PER_WEEK for day in span.days):
            raise ValueError("days are 0 (Monday) to 6")
    for limit in (row.context_tokens, row.output_tokens_max):
        if limit is not None and limit <= 0:
            raise ValueError("token limits must be above zero")


def _price(provider: str, row: Row, region: str | None, factor: Decimal) -> Price:
    return Price(
        id=row.id if region == row.region else f"{row.id}/{region}",
        provider=provider,
        model=row.model,
        region=region,
        tier=row.tier,
        valid_from=_utc(row.valid_from),
        valid_to=_utc(row.valid_to),
        rates=_rates(row.rates, factor),
        fees={fee: _fee(fee, amount) for fee, amount in row.fees.items()},
        bands=tuple(_band(band, factor) for band in row.bands),
        hours=tuple(row.hours),
        context_tokens=row.context_tokens,
        output_tokens_max=row.output_tokens_max,
        source=row.source,
        retrieved=row.retrieved,
        note=row.note,
    )


def _band(band: BandRow, factor: Decimal) -> Band:
    if band.operator not in OPERATORS:
        raise ValueError("a band's operator is > or >=")
    if band.above <= 0:
        raise ValueError("a band begins above zero")
    return Band(operator=band.operator, above=band.above, rates=_rates(band.rates, factor))


def _rates(rates: Mapping[str, str], factor: Decimal) -> dict[str, int]:
    unknown = rates.keys() - UNITS
    if unknown:
        raise ValueError(f"unknown unit {sorted(unknown)[0]}")
    return {unit: _nano(amount, factor) for unit, amount in rates.items()}


def _fee(fee: str, amount: str) -> int:
    if fee not in FEES:
        raise ValueError(f"unknown fee {fee}")
    return _nano(amount, Decimal(1))


def _nano(amount: str, factor: Decimal) -> int:
    value = usd_to_nano(_decimal(amount) * factor)
    if value < 0:
        raise ValueError("an amount is below zero")
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]!r} is not a decimal amount") from error


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
