"""The rows of the table: what is run for each, in short alternating rounds, and what is read off.

A figure is the median over the rounds; every round measures the references beside the gateway, because on a shared
machine only what was measured in the same minute can be compared.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.process import BenchError, Process, module, resident_kb, settle_down, spent, tree
from bench.stack import Gateway, Reference, Stack
from bench.upstream import ANSWER_BYTES
from tollhouse.identity.keys import RANDOM_BYTES, make_key
from tollhouse.identity.pepper import load_peppers
from tollhouse.identity.store import KeyDraft, create_key
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.storage.attached import running_database
from tollhouse.storage.postgres import database_urls, single_tenant_transaction
from tollhouse.storage.secret_file import load_secret

WARM_S = 1.0
LONG_STREAMS = 2_000
LEDGER_WAIT_S = 20.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure."""

    rounds: int
    seconds: float
    stream_seconds: float
    open_streams: int
    latency_seconds: float
    settle_calls: int
    keys: int = 10_000


class StreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """So many streams at once, so many events each, so far apart."""

    streams: int
    pace_ms: int
    events: int


FULL = Plan(rounds=5, seconds=2.0, stream_seconds=4.0, open_streams=1_000, latency_seconds=8.0, settle_calls=20_000)
QUICK = Plan(rounds=2, seconds=1.5, stream_seconds=4.0, open_streams=300, latency_seconds=4.0, settle_calls=5_000)

Figures = dict[str, float]


def per_call(stack: Stack, plan: Plan, *extra: object, gateways: Iterable[str] = ("plain", "tls")) -> Figures:
    """CPU µs a call of the gateway, its database and the references; `extra` are arguments of the load."""
    runs: dict[str, Callable[[], Figures]] = {}
    for name in gateways:
        runs[name] = lambda name=name: gateway_calls(stack, stack.gateways[name], plan.seconds, name, *extra)
        if stack.nginx is not None:
            runs[f"nginx_{name}"] = lambda name=name: nginx_calls(stack, name, plan.seconds, *extra)
    if not extra:
        runs["empty"] = lambda: reference_calls(stack, stack.empty, "plain", plan.seconds, "empty")
    return alternate(runs, plan.rounds)


def alternate(runs: dict[str, Callable[[], Figures]], rounds: int) -> Figures:
    """Every run in turn, so often; medians by figure."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for run in runs.values():
            for name, value in run().items():
                found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def gateway_calls(stack: Stack, gateway: Gateway, seconds: float, name: str, *extra: object) -> Figures:
    """One round of calls through a gateway, in pass-through mode where `extra` says nothing else."""
    keys = ("--gateway-key", gateway.key) if "--key" not in extra else ()
    arguments = [gateway.key if argument == "GATEWAY" else argument for argument in extra]
    before = spent(gateway.root)
    try:
        said = load(stack, gateway.url, ANSWER_BYTES, "--seconds", seconds, *keys, *arguments)
    except BenchError as error:
        raise BenchError(f"{error}\n{gateway.story()}") from error
    gateway.settle()
    used = spent(gateway.root).since(before)
    gateway.calls += int(said["done"])
    units = said["events"] or said["done"]
    return {
        name: used.own / units,
        f"{name}_database": used.database / units,
        f"{name}_per_s": said["events"] / said["stream_s"] if said["events"] else said["per_s"],
    }


def reference_calls(stack: Stack, reference: Reference, url: str, seconds: float, name: str, *extra: object) -> Figures:
    """One round of the same through a reference."""
    arguments = ["sk-bench" if argument == "GATEWAY" else argument for argument in extra]
    before = spent(reference.root)
    said = load(stack, reference.urls[url], reference.answer_bytes, "--seconds", seconds, *arguments)
    units = said["events"] or said["done"]
    return {name: spent(reference.root).since(before).own / units}


def nginx_calls(stack: Stack, url: str, seconds: float, *extra: object) -> Figures:
    """As `reference_calls`, through nginx."""
    assert stack.nginx is not None, "asked for where there is none"
    return reference_calls(stack, stack.nginx, url, seconds, f"nginx_{url}", *extra)


def load(stack: Stack, url: str, answer_bytes: int, *arguments: object) -> Figures:
    """Runs the load to its end; BenchError if an answer was wrong."""
    with load_process(stack, url, answer_bytes, *arguments) as process:
        return checked(process.rest())


def load_process(stack: Stack, url: str, answer_bytes: int, *arguments: object) -> Process:
    """The load, running."""
    command = module("bench.load", url, "--answer-bytes", answer_bytes, *arguments)
    return Process(command, stack.cores.load, log=stack.directory / "load.log")


def checked(output: str) -> Figures:
    """What the load counted."""
    said = json.loads(output.splitlines()[-1])
    if said["errors"]:
        raise BenchError(f"{said['errors']} answers were wrong: {said['first_errors']}")
    return dict(said)


def per_event(stack: Stack, plan: Plan) -> Figures:
    """CPU µs an event: 100 streams of 200 events, 10 ms apart."""
    arguments = ("--stream", "--connections", 100)
    longer = msgspec.structs.replace(plan, seconds=plan.stream_seconds, rounds=max(2, plan.rounds - 2))
    runs: dict[str, Callable[[], Figures]] = {}
    for name in ("plain", "tls"):
        runs[name] = lambda name=name: gateway_calls(stack, stack.gateways[name], longer.seconds, name, *arguments)
        if stack.nginx is not None:
            runs[f"nginx_{name}"] = lambda name=name: nginx_calls(stack, name, longer.seconds, *arguments)
    return alternate(runs, longer.rounds)


def open_streams(stack: Stack, name: str, streams: int, pace_ms: int, events: int) -> Figures:
    """Memory of so many open streams, and of a reference with the same; every event is counted."""
    gateway = stack.gateways[name]
    keys = ("--gateway-key", gateway.key)
    shape = StreamShape(streams=streams, pace_ms=pace_ms, events=events)
    found, said = held(stack, gateway.url, gateway.worker, shape, *keys)
    gateway.calls += int(said["done"])
    settle_down(gateway.root)
    figures = {f"{name}_kb": found, f"{name}_events_per_s": said["events"] / said["stream_s"]}
    if stack.nginx is not None and streams < LONG_STREAMS:
        figures[f"nginx_{name}_kb"], _ = held(stack, stack.nginx.urls[name], newest_child(stack.nginx.root), shape)
    return figures


def held(stack: Stack, url: str, pid: int, shape: StreamShape, *extra: object) -> tuple[float, Figures]:
    """KiB a stream that a process holds at most while all are open, less what it held before; and the load's counts."""
    idle = resident_kb(pid)
    arguments = ("--stream", "--once", "--connections", shape.streams, "--pace-ms", shape.pace_ms)
    with load_process(stack, url, ANSWER_BYTES, *arguments, "--events", shape.events, *extra) as process:
        if process.line() != "open":
            raise BenchError("the streams were not all open at once")
        most, until = 0, time.monotonic() + shape.pace_ms * shape.events / 1000 * 0.6
        while time.monotonic() < until:
            most = max(most, resident_kb(pid))
            time.sleep(0.25)
        return (most - idle) / shape.streams, checked(process.rest())


def newest_child(root: int) -> int:
    """nginx's worker."""
    return max(pid for pid in tree(root) if pid != root)


def latency(stack: Stack, plan: Plan) -> Figures:
    """As `_latencies`, with what gateway and nginx add to a direct call."""
    figures = _latencies(stack, plan)
    for quantile in ("p50_ms", "p99_ms"):
        figures[f"added_{quantile}"] = figures[f"gateway_{quantile}"] - figures[f"direct_{quantile}"]
        if stack.nginx is not None:
            figures[f"nginx_added_{quantile}"] = figures[f"nginx_{quantile}"] - figures[f"direct_{quantile}"]
    return figures


def _latencies(stack: Stack, plan: Plan) -> Figures:
    """Milliseconds at concurrency 1, for each of direct, gateway and nginx, in turn in one run."""
    figures: Figures = {}
    gateway = stack.gateways["plain"]
    urls = [stack.upstreams["plain"], gateway.url, *([stack.nginx.urls["plain"]] if stack.nginx is not None else [])]
    command = module("bench.load", *urls, "--alternate", "--seconds", plan.latency_seconds)
    command += ["--answer-bytes", str(ANSWER_BYTES), "--gateway-key", gateway.key]
    with Process(command, stack.cores.load, log=stack.directory / "load.log") as process:
        targets: Any = checked(process.rest())["targets"]
    for target, measured in zip(("direct", "gateway", "nginx"), targets, strict=False):
        figures |= {f"{target}_{quantile}": value for quantile, value in measured.items()}
    gateway.calls += int(targets[1]["done"])
    return figures


def idle_memory(gateway: Gateway) -> Figures:
    """MiB of a worker that has not served a call, and of its supervisor."""
    return {"worker_mb": resident_kb(gateway.worker) / 1024, "supervisor_mb": resident_kb(gateway.root) / 1024}


def start_to_first_call(stack: Stack, gateway: Gateway, times: int) -> Figures:
    """Seconds from `tollhouse up` on an existing data directory to a call's answer, on both cores."""
    taken = []
    for _ in range(times):
        gateway.stop()
        gateway.calls = 0
        began = time.monotonic()
        gateway.start(pinned=False)
        while not _answers(gateway):
            if time.monotonic() - began > 60:
                raise BenchError("the gateway did not answer after a restart")
            time.sleep(0.01)
        taken.append(time.monotonic() - began)
    gateway.stop()
    return {"start_s": statistics.median(taken)}


def _answers(gateway: Gateway) -> bool:
    body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    request = urllib.request.Request(gateway.url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return len(answer.read()) == ANSWER_BYTES
    except OSError:
        return False


def into_database(stack: Stack, plan: Plan) -> Figures:
    """Calls a second that the ledger's one write path books, on both cores."""
    figures: Figures = {}
    for writers in (1, 2):
        command = module("bench.settle_batch", "--runs", 3, "--calls", plan.settle_calls, "--writers", writers)
        with Process(command, None, log=stack.directory / "settle.log") as process:
            said = re.search(r"settle_batch: ([\d,]+) calls/s, (\d+) µs", process.rest())
        if said is None:
            raise BenchError("settle_batch said nothing that can be read")
        figures[f"settled_per_s_{writers}"] = float(said.group(1).replace(",", ""))
        figures[f"settled_us_{writers}"] = float(said.group(2))
    return figures


def growth(stack: Stack, plan: Plan) -> Figures:
    """CPU µs a call with one key, and with many in the same minute."""
    crowded = stack.gateway("gateway-crowded", stack.upstreams["plain"])
    asyncio.run(_make_keys(crowded, plan.keys))
    time.sleep(2.0)  # the snapshot takes them in
    crowded.settle()
    stack.gateways["crowded"] = crowded
    runs: dict[str, Callable[[], Figures]] = {
        "one": lambda: gateway_calls(stack, stack.gateways["plain"], plan.seconds, "keys_1"),
        "many": lambda: gateway_calls(stack, crowded, plan.seconds, "keys_many"),
    }
    gateway_calls(stack, crowded, WARM_S, "warm")
    return alternate(runs, plan.rounds)


async def _make_keys(gateway: Gateway, count: int) -> None:
    owner_url = running_database(gateway.data_dir)
    assert owner_url is not None, "the database of a running gateway"
    urls = database_urls(owner_url, load_secret(gateway.data_dir))
    peppers = load_peppers(gateway.data_dir, None)
    async with single_tenant_transaction(urls.app, DEFAULT_TENANT) as connection:
        for number in range(count - 1):
            key = make_key(secrets.token_bytes(RANDOM_BYTES))
            await create_key(connection, DEFAULT_TENANT, KeyDraft(name=f"key {number}"), key, peppers)


def calls_of(gateway: Gateway) -> int:
    """Calls that the gateway says it has shipped to the ledger since it started."""
    url = urlsplit(gateway.url)
    with urllib.request.urlopen(f"http://{url.netloc}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(r"^tollhouse_ledger_shipped_total (\S+)", text, re.MULTILINE)
    assert found is not None, "the gateway counts what it ships"
    return int(float(found.group(1)))


def check_ledger(stack: Stack) -> int:
    """Every call that was answered is in the ledger, and none more; BenchError otherwise."""
    total = 0
    for name, gateway in stack.gateways.items():
        # The counter is published once a second, so it may lag behind what is there.
        deadline_s = time.monotonic() + LEDGER_WAIT_S
        while (shipped := calls_of(gateway)) < gateway.calls and time.monotonic() < deadline_s:
            time.sleep(0.2)
        if shipped != gateway.calls:
            raise BenchError(f"{name}: {gateway.calls} calls were answered, {shipped} are in the ledger")
        total += shipped
    return total
