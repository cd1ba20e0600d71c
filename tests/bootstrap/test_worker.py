"""The gateway worker, as its supervisor runs it: what it knows and from where, what it measures, how it stops."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from stack import Stack
from tollhouse.bootstrap.child import KEPT_VARIABLES
from tollhouse.bootstrap.worker import WorkerSpec
from tollhouse.settings import Settings, from_wire, to_wire
from tollhouse.storage.attached import running_database
from tollhouse.telemetry.metrics import COUNTERS, GAUGES


def ask(stack: Stack) -> str:
    """One call to the simulated provider; its request id."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = {"authorization": f"Bearer {stack.key}", "content-type": "application/json"}
    request = urllib.request.Request(stack.gateway_url + "/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
        return str(answer.headers["x-tollhouse-request-id"])


def metrics(stack: Stack) -> dict[str, float]:
    """What `/metrics` shows, summed over labels."""
    found: dict[str, float] = {}
    with urllib.request.urlopen(stack.gateway_url + "/metrics") as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_its_secrets_come_through_the_pipe(stack: Stack) -> None:
    """Neither its environment nor its command line, which others may read, holds one."""
    (pid,) = stack.worker_pids()
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    names = {entry.split(b"=", 1)[0].decode() for entry in environment.split(b"\0") if entry}
    assert names <= {*KEPT_VARIABLES, "LC_CTYPE"}
    for shown in (environment, Path(f"/proc/{pid}/cmdline").read_bytes()):
        assert b"5e5e" not in shown and b"hush" not in shown and b"password" not in shown


def test_the_spec_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    """The settings inside it too."""
    settings = Settings(data_dir=tmp_path, workers=3)
    spec = WorkerSpec(
        settings=msgspec.Raw(to_wire(settings)), listen_fd=7, instance="g1", gateway_dsn="dsn", run_dir=str(tmp_path)
    )
    back = msgspec.json.decode(msgspec.json.encode(spec), type=WorkerSpec)
    assert from_wire(bytes(back.settings)) == settings
    assert (back.listen_fd, back.instance, back.gateway_dsn) == (7, "g1", "dsn")


def test_a_call_is_answered_recorded_and_counted(stack: Stack) -> None:
    """Once in the ledger, once in the metrics; every metric without labels is there."""
    before = metrics(stack).get("tollhouse_calls_total", 0)
    row = stack.call(ask(stack))
    assert row["outcome"] == "completed" and row["cost_nano_usd"] > 0
    stack.until(lambda: metrics(stack).get("tollhouse_calls_total") == before + 1)
    stack.until(lambda: set(GAUGES) <= set(metrics(stack)))
    shown = metrics(stack)
    assert {f"{name}_total" for name, (_, labels) in COUNTERS.items() if not labels} <= set(shown)
    assert shown["tollhouse_ready"] == 1
    assert shown["tollhouse_cost_nano_usd_total"] >= row["cost_nano_usd"]


def test_batches_that_the_database_does_not_take_are_counted(stack: Stack) -> None:
    """They are sent again until it does: the call is in the ledger once, and the operator sees that it took long."""
    stack.call(ask(stack))
    before = metrics(stack)["tollhouse_ledger_retries_total"]
    os.kill(int((stack.data_dir / "database" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    request_id = ask(stack)
    stack.until(lambda: metrics(stack)["tollhouse_ledger_retries_total"] > before, 20.0)
    stack.until(lambda: running_database(stack.data_dir), 30.0)
    assert stack.call(request_id, 20.0)["outcome"] == "completed"
    assert "shipper.retry" in stack.log()


def test_it_finishes_what_is_recorded_before_it_stops(place: Path) -> None:
    """Told to stop right after an answer, it ships the call first."""
    stack = Stack(place).start()
    request_id = ask(stack)
    assert stack.stop() == 0
    assert "worker.stopped" in stack.log()
    stack.start()
    try:
        assert stack.call(request_id)["outcome"] == "completed"
        assert len(stack.calls()) == 1
    finally:
        stack.stop()
