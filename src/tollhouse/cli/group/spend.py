"""`tollhouse spend`: totals by label, at list price. A total says when it is partial, and how much was estimated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tollhouse.cli.command import InWorkspace, command, remark
from tollhouse.cli.database import with_reach
from tollhouse.cli.group.calls import moment
from tollhouse.cli.output import columns, print_json, print_table
from tollhouse.kernel.money import format_usd
from tollhouse.ledger.line import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tollhouse.bootstrap.reach import Reach
    from tollhouse.ledger.store import SpendRow

NOBODY = "(none)"
"""Shown where a call said no such label."""


class SpendOptions(InWorkspace, frozen=True, kw_only=True):
    """By what, from when to when."""

    by: Annotated[
        str, typer.Option("--by", help="Labels, as team,model; empty for the total alone.", metavar="LABELS")
    ] = "model"
    since: Annotated[str, typer.Option("--since", help="From: 1h, 30d, 2026-03-26.", metavar="WHEN")] = "30d"
    until: Annotated[str | None, typer.Option("--until", help="Up to; default: now.", metavar="WHEN")] = None


def attach(application: typer.Typer) -> None:
    """Adds the command."""
    command(application, "spend", SpendOptions)(show_spend)


def show_spend(options: SpendOptions) -> None:
    """Total what was spent, dearest first. With --json, the last line is the total and says so."""
    by = _labels(options.by)
    now = datetime.now(UTC)
    since, until = moment(options.since, "--since", now), moment(options.until, "--until", now) or now
    assert since is not None
    if since >= until:
        raise typer.BadParameter("the period is empty", param_hint="--since")

    async def read(reach: Reach) -> tuple[list[SpendRow], list[SpendRow]]:
        return await reach.spend(by, since, until), await reach.spend((), since, until)

    rows, totals = with_reach(options, read)
    if options.json:
        for row in rows if by else ():
            print_json(_json_of(row, by))
        for row in totals:
            print_json({"total": True} | _json_of(row, ()))
        return
    titles = [name.upper().replace("_", " ") for name in by]
    print_table(
        columns(*titles, ">CALLS", ">INPUT", ">OUTPUT", ">LIST COST USD", ">UNPRICED", ">ESTIMATED", ">ERRORS"),
        [*(_cells(row, by) for row in (rows if by else ())), *(_total(row, by) for row in totals)],
        "No calls in this period.",
    )
    for row in totals:
        _remarks(row)


def _labels(text: str) -> tuple[str, ...]:
    from tollhouse.ledger.store import SPEND_LABELS

    by = tuple(dict.fromkeys(name.strip().replace("-", "_") for name in text.split(",") if name.strip()))
    if not set(by) <= set(SPEND_LABELS):
        raise typer.BadParameter(f"choose from {', '.join(SPEND_LABELS)}", param_hint="--by")
    return by


def _json_of(row: SpendRow, by: Sequence[str]) -> dict[str, object]:
    cost = row.cost_nano_usd
    return {name: getattr(row, name) or None for name in by} | {
        "calls": row.calls,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "cost_usd": msgspec.Raw(format_usd(cost).encode()),
        "cost_nano_usd": cost,
        "cost_basis": "list",
        "partial": row.unpriced_calls > 0,
        "unpriced_calls": row.unpriced_calls,
        "estimated_calls": row.estimated_calls,
        "errors": row.errors,
    }


def _cells(row: SpendRow, by: Sequence[str]) -> tuple[str, ...]:
    return (*(shown(getattr(row, name) or NOBODY) for name in by), *_numbers(row))


def _total(row: SpendRow, by: Sequence[str]) -> tuple[str, ...]:
    return (*("total" if place == 0 else "" for place in range(len(by))), *_numbers(row))


def _numbers(row: SpendRow) -> tuple[str, ...]:
    cost = format_usd(row.cost_nano_usd) + ("+" if row.unpriced_calls else "")
    counts = (row.calls, row.input_tokens, row.output_tokens)
    return (*map(str, counts), cost, str(row.unpriced_calls), str(row.estimated_calls), str(row.errors))


def _remarks(total: SpendRow) -> None:
    remark("Costs are list prices, before discounts and credits of a contract.")
    if total.unpriced_calls:
        remark(f"Partial total: {total.unpriced_calls} call(s) have no known price and are not in it.")
    if total.estimated_calls:
        remark(f"{total.estimated_calls} call(s) are estimated in whole or part: the provider reported no full usage.")
