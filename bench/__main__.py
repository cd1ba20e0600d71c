"""`python -m bench`: runs every row on the real gateway, prints the table, ends with 1 if an answer was wrong."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import report, rows
from bench.process import BenchError, take_cores
from bench.stack import Stack

GROUPS = ("idle", "calls", "vault", "large", "events", "latency", "open", "growth", "start", "database")


def main() -> int:
    """The whole benchmark; the exit status."""
    options = arguments()
    try:
        figures = measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = report.table(figures, quick=options.quick)
    print(json.dumps(figures) if options.json else text)
    if options.write:
        report.write(text)
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, fewer streams")
    parser.add_argument("--long", action="store_true", help="also 2,000 streams for a minute")
    parser.add_argument("--rounds", type=int, help="so many rounds of each row instead of the plan's", metavar="N")
    parser.add_argument("--json", action="store_true", help="figures instead of the table")
    parser.add_argument("--write", action="store_true", help="puts the table into docs/performance.md")
    parser.add_argument("--only", action="append", choices=(*GROUPS, "long"), help="this group alone; repeatable")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, rows.Figures]:
    """All groups that were asked for, by name."""
    plan = rows.QUICK if options.quick else rows.FULL
    wanted = options.only or [*GROUPS, *(["long"] if options.long else [])]
    plan = msgspec.structs.replace(plan, rounds=options.rounds or plan.rounds)
    figures: dict[str, rows.Figures] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as directory,
        Stack(Path(directory), take_cores()) as stack,
    ):
        if stack.nginx is None:
            say("nginx is not installed (Debian: apt-get install nginx-light): no floor is measured")
        for name, work in groups(stack, plan).items():
            # The ledger is checked whatever was measured: a call that was not recorded was not a call.
            if name in wanted or name == "ledger":
                began = time.monotonic()
                figures[name] = work()
                say(f"{name}: {time.monotonic() - began:.0f} s")
    return figures


def groups(stack: Stack, plan: rows.Plan) -> dict[str, Callable[[], rows.Figures]]:
    """The work of each group, in the order in which it is done."""
    vault = ("--key", "GATEWAY", "--labels")
    return {
        "idle": lambda: rows.idle_memory(stack.gateways["plain"]),
        "calls": lambda: rows.per_call(stack, plan),
        "vault": lambda: rows.per_call(stack, plan, *vault, gateways=("plain",)),
        "large": lambda: rows.per_call(stack, plan, "--body-bytes", 200_000, gateways=("plain",)),
        "events": lambda: rows.per_event(stack, plan),
        "latency": lambda: rows.latency(stack, plan),
        "open": lambda: {
            **rows.open_streams(stack, "plain", plan.open_streams, 500, 30),
            **rows.open_streams(stack, "tls", plan.open_streams, 500, 30),
        },
        "long": lambda: rows.open_streams(stack, "tls", rows.LONG_STREAMS, 200, 300),
        "growth": lambda: rows.growth(stack, plan),
        "ledger": lambda: {"calls": rows.check_ledger(stack)},
        "start": lambda: rows.start_to_first_call(stack, stack.gateways["plain"], 3),
        "database": lambda: rows.into_database(stack, plan),
    }


def say(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
