"""`tollhouse calls`: the ledger, call by call. With `--json`, each call is a cost event on a line of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tollhouse.cli.command import InWorkspace, command, remark
from tollhouse.cli.database import with_reach
from tollhouse.cli.moment import parse_moment
from tollhouse.cli.output import columns, print_bytes, print_json, print_table, print_text
from tollhouse.kernel.outcome import Outcome
from tollhouse.ledger.event import cost_event, encode_event
from tollhouse.ledger.line import call_line, cost_text, count, duration, labels_text, outcome_text, printable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tollhouse.bootstrap.reach import Reach
    from tollhouse.kernel.ids import CallId, TenantId
    from tollhouse.ledger.store import CallFilter, CallRow

LAST = "last"
Text = str | None


def _label(name: str, words: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(f"--{name}", help=words, metavar=name.upper())
    return option


class FilterOptions(InWorkspace, frozen=True, kw_only=True):
    """Which calls, by exact values."""

    team: Annotated[Text, _label("team", "Calls of a team.")] = None
    app: Annotated[Text, _label("app", "Calls of an app.")] = None
    feature: Annotated[Text, _label("feature", "Calls of a feature.")] = None
    customer: Annotated[Text, _label("customer", "Calls for a customer.")] = None
    environment: Annotated[Text, _label("environment", "Calls of an environment.")] = None
    cost_center: Annotated[Text, _label("cost-center", "Calls of a cost centre.")] = None
    session: Annotated[Text, _label("session", "Calls of a session.")] = None
    model: Annotated[Text, _label("model", "Calls that a model answered.")] = None
    provider: Annotated[Text, _label("provider", "Calls to a provider.")] = None
    key: Annotated[Text, _label("key", "Calls with a gateway key, by its id.")] = None
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Calls that ended so.")] = None


class ListOptions(FilterOptions, frozen=True, kw_only=True):
    """From when to when, and how many."""

    since: Annotated[str, typer.Option("--since", help="Begun since: 1h, 30d, 2026-03-26.", metavar="WHEN")] = (
        "1970-01-01"
    )
    until: Annotated[Text, typer.Option("--until", help="Begun before; default: now.", metavar="WHEN")] = None
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=1_000_000)] = 50


class ExplainOptions(InWorkspace, frozen=True, kw_only=True):
    """Which call."""

    call: Annotated[str, typer.Argument(help="A request id, or 'last'.", metavar="ID|last")]


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    calls = typer.Typer(help="The ledger, call by call.", no_args_is_help=True)
    command(calls, "list", ListOptions)(list_newest)
    command(calls, "explain", ExplainOptions)(explain_one)
    command(calls, "tail", InWorkspace)(tail)
    application.add_typer(calls, name="calls")


def list_newest(options: ListOptions) -> None:
    """List calls, newest first."""
    where = _filter(options)

    async def read(reach: Reach) -> tuple[list[CallRow], Mapping[TenantId, str]]:
        return await reach.newest(where, options.limit + 1), reach.names

    found, names = with_reach(options, read)
    rows = found[: options.limit]
    if options.json:
        for row in rows:
            print_bytes(encode_event(cost_event(row)))
    else:
        _print_list(rows, names)
    if len(found) > len(rows):
        remark(f"These are the newest {len(rows)}; there are more: --limit, --since and --until choose among them.")


def _print_list(rows: Sequence[CallRow], names: Mapping[TenantId, str]) -> None:
    several = len(names) > 1
    titles = ("TIME", "PROVIDER", "MODEL", ">IN", ">OUT", ">COST", ">TOOK", "OUTCOME", "ID", "LABELS")
    print_table(
        columns(*titles, *(("WORKSPACE",) if several else ())),
        [(*_cells(row), *((names.get(row.tenant_id, row.tenant_id),) if several else ())) for row in rows],
        "No calls.",
    )


def explain_one(options: ExplainOptions) -> int | None:
    """Show how a call came to cost what it cost, recomputed from what was stored."""
    call_id = _call_id(options.call)

    async def read(reach: Reach) -> CallRow | None:
        from tollhouse.ledger.store import ANY_CALL

        if call_id is not None:
            return await reach.find(call_id)
        newest = await reach.newest(ANY_CALL, 1)
        return newest[0] if newest else None

    row = with_reach(options, read)
    if row is None:
        remark("tollhouse: there is no call yet" if call_id is None else f"tollhouse: there is no call {options.call}")
        return 1
    _print_receipt(row, as_json=options.json)
    return None


def tail(options: InWorkspace) -> None:
    """Follow calls as they are recorded; Ctrl-C ends it."""

    async def follow(reach: Reach) -> None:
        remark("Calls appear here as they end; Ctrl-C stops.")
        async for row in reach.follow(datetime.now(UTC)):
            if options.json:
                print_bytes(encode_event(cost_event(row)))
            else:
                print_text(call_line(row))

    try:
        with_reach(options, follow, start=False)
    except KeyboardInterrupt:
        return


def _filter(options: ListOptions) -> CallFilter:
    from tollhouse.ledger.store import CallFilter

    now = datetime.now(UTC)
    since, until = moment(options.since, "--since", now), moment(options.until, "--until", now)
    where = CallFilter(
        team=options.team,
        app=options.app,
        feature=options.feature,
        customer=options.customer,
        environment=options.environment,
        cost_center=options.cost_center,
        session_id=options.session,
        model=options.model,
        provider=options.provider,
        key_id=options.key,
        outcome=None if options.outcome is None else options.outcome.value,
    )
    periods = {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    return msgspec.structs.replace(where, **periods)


def moment(text: str | None, option: str, now: datetime) -> datetime | None:
    """An option's moment; wrong usage if it is none."""
    try:
        return None if text is None else parse_moment(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _call_id(text: str) -> CallId | None:
    from tollhouse.kernel.ids import parse_request_id

    if text == LAST:
        return None
    try:
        return parse_request_id(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, or '{LAST}'", param_hint="ID") from error


def _print_receipt(row: CallRow, *, as_json: bool) -> None:
    from tollhouse.ledger.receipt import stored_cost
    from tollhouse.pricing.book_file import load_package_book
    from tollhouse.pricing.explain import explain

    receipt = explain(stored_cost(row, load_package_book()))
    if as_json:
        print_json({"event": cost_event(row), "receipt": receipt})
        return
    lines = [*_head(row), *((line.kind, line.name, line.text) for line in receipt.lines)]
    width = max(len(name) for _, name, _ in lines)
    before = ""
    for kind, name, text in lines:
        print_text(f"{kind if kind != before else '':<7}  {name:<{width}}  {printable(text)}")
        before = kind


def _head(row: CallRow) -> list[tuple[str, str, str]]:
    """Which call it is, as lines of a receipt."""
    event = cost_event(row)
    facts = {
        "id": event.request_id,
        "began": event.timestamp,
        "outcome": outcome_text(row),
        "provider": f"{row.provider or '-'}, credential: {row.credential_mode or 'none'}",
        "model": f"{shown(event.model or '-')} (asked for: {shown(row.requested_model or '-')})",
        "took": f"{duration(row.latency_ms)}, {row.attempts} attempt(s)",
        "labels": labels_text(row) or "none",
    }
    return [("call", name, text) for name, text in facts.items()]


def _cells(row: CallRow) -> tuple[str, ...]:
    return (
        f"{row.started_at:%Y-%m-%d %H:%M:%SZ}",
        shown(row.provider or "-"),
        shown(row.model or row.requested_model or "-"),
        count(row.input_tokens),
        count(row.output_tokens),
        cost_text(row),
        duration(row.latency_ms),
        outcome_text(row),
        cost_event(row).request_id,
        labels_text(row),
    )
