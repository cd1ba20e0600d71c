"""`tollhouse calls`: list, explain, tail."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tollhouse as package
from tollhouse.kernel.ids import TenantId, request_id


@pytest.fixture
def second(tollhouse: Any) -> TenantId:
    """Another workspace, named `second`."""
    return TenantId(json.loads(tollhouse("workspaces", "create", "second", "--json").stdout)["workspace_id"])


def _events(done: Any) -> list[dict[str, Any]]:
    assert done.exit_code == 0, done.stderr
    return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]


def test_newest_first_over_all_workspaces(tollhouse: Any, ledger: Any, second: TenantId) -> None:
    """Merged by their start, cut to the limit."""
    calls = [ledger.call(1), ledger.call(2, second), ledger.call(3), ledger.call(4, second)]
    ledger.book(*calls)
    done = tollhouse("calls", "list", "--limit", "3", "--json")
    assert [e["request_id"] for e in _events(done)] == [request_id(calls[place].call_id) for place in (3, 2, 1)]


def test_a_list_that_is_cut_says_so(tollhouse: Any, ledger: Any) -> None:
    """On standard error, in either form; one that is whole says nothing."""
    ledger.book(ledger.call(1), ledger.call(2), ledger.call(3))
    for form in ((), ("--json",)):
        cut, whole = (
            tollhouse("calls", "list", "--limit", "2", *form),
            tollhouse("calls", "list", "--limit", "3", *form),
        )
        assert "the newest 2; there are more" in cut.stderr
        assert whole.stderr == "" and "there are more" not in cut.stdout


def test_one_workspace_by_name_or_id(tollhouse: Any, ledger: Any, second: TenantId) -> None:
    """The others' calls are not shown."""
    ledger.book(ledger.call(1), ledger.call(2, second))
    for name in ("second", second):
        assert [e["workspace_id"] for e in _events(tollhouse("calls", "list", "--workspace", name, "--json"))] == [
            second
        ]
    unknown = tollhouse("calls", "list", "--workspace", "third")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "there is no workspace 'third'" in unknown.stderr


def test_json_is_the_cost_event(tollhouse: Any, ledger: Any) -> None:
    """With the exact digits of the amount."""
    ledger.book(ledger.call(1, cost_nano_usd=5_250_001, team="ml", session_id="s1"))
    line = tollhouse("calls", "list", "--json").stdout
    assert '"cost_usd":0.005250001,' in line
    event = json.loads(line)
    assert event["timestamp"] == "2026-09-21T14:13:21.000Z"
    assert (event["team"], event["session_id"], event["cost_nano_usd"]) == ("ml", "s1", 5_250_001)


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--team", "ml", "team"),
        ("--app", "chat", "app"),
        ("--feature", "search", "feature"),
        ("--customer", "acme", "customer"),
        ("--environment", "prod", "environment"),
        ("--cost-center", "42", "cost_center"),
        ("--session", "s1", "session_id"),
        ("--provider", "gemini", "provider"),
        ("--model", "gemini-2.5-pro", "model"),
        ("--key", "abcdefghijkl", "key_id"),
        ("--outcome", "client_gone", "outcome"),
    ],
)
def test_filters(tollhouse: Any, ledger: Any, option: str, value: str, field: str) -> None:
    """Each shows the calls that have exactly that value."""
    ledger.book(ledger.call(1), ledger.call(2, **{field: value}))
    found = _events(tollhouse("calls", "list", option, value, "--json"))
    assert [(event["request_id"], event[field]) for event in found] == [(request_id(ledger.call(2).call_id), value)]


def test_period_is_half_open(tollhouse: Any, ledger: Any) -> None:
    """From its beginning, up to but without its end."""
    ledger.book(ledger.call(1), ledger.call(2), ledger.call(3))
    period = ("--since", "2026-09-21T14:13:22Z", "--until", "2026-09-21T14:13:23Z")
    found = _events(tollhouse("calls", "list", *period, "--json"))
    assert [event["request_id"] for event in found] == [request_id(ledger.call(2).call_id)]


def test_list_for_people(tollhouse: Any, ledger: Any) -> None:
    """An unknown cost says so, an estimate too; a model's name cannot write to the terminal."""
    ledger.book(
        ledger.call(1, cost_nano_usd=None, price_status="unpriced", model=None, requested_model="\x1b]0;x"),
        ledger.call(2, usage_source="partial", outcome="refused", error_code="budget_exceeded", status=402),
    )
    done = tollhouse("calls", "list")
    head, estimated, unpriced = done.stdout.splitlines()
    assert head.split()[:3] == ["TIME", "PROVIDER", "MODEL"]
    assert estimated.startswith("2026-09-21 14:13:22Z  openai")
    assert "WORKSPACE" not in head
    assert "~$0.00021" in estimated and "refused budget_exceeded 402" in estimated
    assert "unpriced" in unpriced and "\x1b" not in unpriced


def test_list_of_nothing(tollhouse: Any) -> None:
    """Nothing on standard output, in either form."""
    assert tollhouse("calls", "list").stdout == ""
    assert tollhouse("calls", "list", "--json").stdout == ""


def test_explain_shows_each_line_and_recomputes(tollhouse: Any, ledger: Any) -> None:
    """Units, row, lines, total, and whether it comes out the same."""
    ledger.book(ledger.call(1), ledger.call(2))
    done = tollhouse("calls", "explain", "last")
    assert done.exit_code == 0
    assert request_id(ledger.call(2).call_id) in done.stdout
    assert "1000 × 0.15 USD per million = 0.00015 USD" in done.stdout
    assert "0.00021 USD (priced)" in done.stdout
    assert "the same" in done.stdout


def test_explain_by_id_as_json(tollhouse: Any, ledger: Any) -> None:
    """With or without the prefix; the receipt says whether the amount was reproduced."""
    ledger.book(ledger.call(1), ledger.call(2))
    for text in (request_id(ledger.call(1).call_id), ledger.call(1).call_id):
        (found,) = _events(tollhouse("calls", "explain", text, "--json"))
        assert found["event"]["request_id"] == request_id(ledger.call(1).call_id)
        assert found["receipt"]["reproduced"] is True


def test_explain_of_an_unpriced_call(tollhouse: Any, ledger: Any) -> None:
    """It is explained too."""
    ledger.book(
        ledger.call(1, model="new", cost_nano_usd=None, price_status="unpriced", price_id=None, charge_lines=())
    )
    assert "unknown (unpriced)" in tollhouse("calls", "explain", "last").stdout


def test_explain_of_nothing(tollhouse: Any, ledger: Any) -> None:
    """Refused with a line."""
    assert tollhouse("calls", "explain", "last").stderr == "tollhouse: there is no call yet\n"
    unknown = tollhouse("calls", "explain", request_id(ledger.call(9).call_id))
    assert unknown.exit_code == 1
    assert unknown.stderr.startswith("tollhouse: there is no call req_")


def test_tail_follows_and_ends_cleanly(environment: dict[str, str], ledger: Any) -> None:
    """A line a call as it is recorded, none twice; an interrupt ends it with status 0."""
    path = {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-m", "tollhouse.cli", "calls", "tail", "--json"]
    pipe = subprocess.PIPE
    # Of a suite that a shell started in the background it would inherit that interrupts are ignored.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    values = os.environ | environment | path
    with subprocess.Popen(command, env=values, stdout=pipe, stderr=pipe, text=True, preexec_fn=heard) as tail:
        try:
            assert tail.stdout is not None and tail.stderr is not None
            assert tail.stderr.readline() == "Calls appear here as they end; Ctrl-C stops.\n"
            ledger.book(ledger.call(1))
            first = json.loads(tail.stdout.readline())
            ledger.book(ledger.call(2, team="ml"))
            second = json.loads(tail.stdout.readline())
            time.sleep(0.4)
            tail.send_signal(signal.SIGINT)
            rest, errors = tail.communicate(timeout=20)
        finally:
            tail.kill()
    assert [first["request_id"], second["request_id"]] == [request_id(ledger.call(n).call_id) for n in (1, 2)]
    assert (rest, errors, tail.returncode) == ("", "", 0)
