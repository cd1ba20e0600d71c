"""`tollhouse prices`: the price book that comes with Tollhouse. Needs no database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tollhouse.cli.command import Everywhere, command, remark
from tollhouse.cli.group.calls import moment
from tollhouse.cli.output import print_json, print_text
from tollhouse.kernel.money import format_usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tollhouse.pricing.model import Price


class ShowOptions(Everywhere, frozen=True, kw_only=True):
    """Which model, whose, when."""

    model: Annotated[str, typer.Argument(help="A model's id, as a provider names it.", metavar="MODEL")]
    provider: Annotated[
        str | None, typer.Option("--provider", help="One provider; default: all that have it.", metavar="NAME")
    ] = None
    at: Annotated[str | None, typer.Option("--at", help="At a moment; default: now.", metavar="WHEN")] = None


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    prices = typer.Typer(help="The price book.", no_args_is_help=True)
    command(prices, "show", ShowOptions)(show)
    prices.callback()(_group)
    application.add_typer(prices, name="prices")


def _group() -> None:
    """The price book."""


def show(options: ShowOptions) -> int | None:
    """Show what a model costs, in every tier, and where the figures are from."""
    from tollhouse.pricing.book_file import load_package_book

    book = load_package_book()
    at = moment(options.at, "--at", datetime.now(UTC)) or datetime.now(UTC)
    providers = sorted({provider for provider, _ in book.index})
    wanted = [name for name in providers if options.provider in (None, name)]
    found = [price for name in wanted for price in book.tiers(name, options.model, at=at)]
    if not found:
        where = f" of {options.provider}" if options.provider else ""
        remark(
            f"tollhouse: the price book has no price for '{options.model}'{where} at that moment: calls are unpriced"
        )
        return 1
    for price in found:
        if options.json:
            print_json({"book_version": book.version, "price": _json_of(price)})
        else:
            _print(price, book.version)
    return None


def _json_of(price: Price) -> dict[str, object]:
    """The row with its amounts in nano-USD, as the book keeps them."""
    row = msgspec.to_builtins(price)
    return {
        **{name: value for name, value in row.items() if name not in ("rates", "fees")},
        "rates_nano_usd_per_million": row["rates"],
        "fees_nano_usd_each": row["fees"],
    }


def _print(price: Price, book_version: str) -> None:
    print_text(f"{price.provider} {price.model} ({price.tier}{', ' + price.region if price.region else ''})")
    print_text(f"  row {price.id} of book {book_version}, {period(price.valid_from, price.valid_to)}")
    print_text(f"  {price.source}, read {price.retrieved}")
    _print_rates("USD per million", price.rates)
    for band in price.bands:
        _print_rates(f"where input tokens {band.operator} {band.above}", band.rates)
    _print_rates("USD each", price.fees)
    if price.note:
        print_text(f"  note: {price.note}")


def period(begin: datetime | None, end: datetime | None) -> str:
    """When a price holds, in words; `end` is the first day on which it does not."""
    known = [f"from {begin:%Y-%m-%d}"] if begin else []
    known += [f"until {end:%Y-%m-%d}"] if end else []
    return " ".join(known) or "at all times"


def _print_rates(title: str, rates: Mapping[str, int]) -> None:
    if rates:
        print_text(f"  {title}")
        width = max(len(unit) for unit in rates)
        for unit, rate in rates.items():
            print_text(f"    {unit:<{width}}  {format_usd(rate)}")
