"""Metrics: counters and gauges of a worker as plain integers, shared with its siblings through small files.

A worker counts in memory and writes its state to `<run dir>/metrics-<instance>.json` about once a second; whoever is
asked for `/metrics` sums the files of all workers. A dead worker's counters stay in the sum, so they never fall; its
gauges do not. No label names a tenant, a key or a model beyond the provider's kind: cardinality stays bounded.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tollhouse_calls": ("Calls by how they ended.", ("dialect", "outcome")),
    "tollhouse_refusals": ("Calls that Tollhouse refused, by code.", ("code",)),
    "tollhouse_tokens": ("Tokens metered.", ("direction",)),
    "tollhouse_cost_nano_usd": ("Cost at list price, in billionths of a dollar.", ()),
    "tollhouse_unpriced_calls": ("Calls that no row of the price book covers.", ()),
    "tollhouse_estimated_calls": ("Calls whose usage was estimated wholly or in part.", ()),
    "tollhouse_journal_errors": ("Journal writes that failed.", ()),
    "tollhouse_ledger_shipped": ("Calls copied into the ledger.", ()),
    "tollhouse_ledger_retries": ("Batches that the database did not take at once.", ()),
    "tollhouse_ledger_rejected": ("Calls whose row the database refuses.", ()),
    "tollhouse_recovered_calls": ("Calls settled from the journal of a dead worker.", ()),
}
GAUGES: Mapping[str, str] = {
    "tollhouse_open_calls": "Calls in flight.",
    "tollhouse_journal_unshipped_bytes": "Journal bytes that the database has not yet taken.",
    "tollhouse_journal_unshipped_seconds": "Age of the oldest of them.",
    "tollhouse_snapshot_age_seconds": "Time since the configuration was last confirmed.",
    "tollhouse_ready": "1 where a worker can record calls.",
}
LATENCY_BUCKETS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)


class WorkerState(msgspec.Struct, kw_only=True):
    """What one worker counts; label values are joined by '|' to make JSON keys."""

    counters: dict[str, dict[str, int]] = {}
    gauges: dict[str, float] = {}
    latency_counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_MS) + 1))
    latency_sum_ms: int = 0


class Metrics:
    """A worker's own counters; not thread-safe, one event loop uses it."""

    def __init__(self, run_dir: Path, instance: str) -> None:
        self._path = run_dir / f"metrics-{instance}.json"
        self._instance, self._run_dir = instance, run_dir
        self.state = WorkerState()
        for name, (_, labels) in COUNTERS.items():
            self.state.counters[name] = {} if labels else {"": 0}
        counters = self.state.counters
        self._keys: dict[tuple[str, str], str] = {}
        self._calls, self._tokens = counters["tollhouse_calls"], counters["tollhouse_tokens"]
        self._cost = counters["tollhouse_cost_nano_usd"]

    def count(self, name: str, amount: int = 1, *labels: str) -> None:
        series = self.state.counters[name]
        key = "|".join(labels)
        series[key] = series.get(key, 0) + amount

    def call(self, dialect: str, outcome: str, latency_ms: int) -> None:
        """One call that ended, in milliseconds from its start."""
        series, state = self._calls, self.state
        key = self._keys.get((dialect, outcome))
        if key is None:
            key = self._keys[dialect, outcome] = f"{dialect}|{outcome}"
        series[key] = series.get(key, 0) + 1
        state.latency_sum_ms += latency_ms
        state.latency_counts[bisect_left(LATENCY_BUCKETS_MS, latency_ms)] += 1

    def used(self, input_tokens: int | None, output_tokens: int | None, cost_nano_usd: int | None) -> None:
        """What one call was metered at, as far as it is known."""
        tokens = self._tokens
        if input_tokens:
            tokens["input"] = tokens.get("input", 0) + input_tokens
        if output_tokens:
            tokens["output"] = tokens.get("output", 0) + output_tokens
        if cost_nano_usd:
            self._cost[""] += cost_nano_usd

    def gauge(self, name: str, value: float) -> None:
        assert name in GAUGES, name
        self.state.gauges[name] = value

    def publish(self) -> None:
        """Writes the state where siblings find it; OSError where that cannot be done."""
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(self.state))
        os.replace(temporary, self._path)

    def exposition(self, alive: Iterable[str]) -> bytes:
        """All workers' metrics in Prometheus' text format; gauges of the living alone. Its own come from memory: they
        are asked for most eagerly when the disk is full."""
        return exposition(self._run_dir, frozenset(alive), {self._instance: self.state})


def exposition(run_dir: Path, alive: frozenset[str], own: Mapping[str, WorkerState]) -> bytes:
    """Sums the states found in a run directory, `own` instead of what is found of it. `alive`: instances whose gauges
    count."""
    states: dict[str, WorkerState] = {}
    for path in sorted(run_dir.glob("metrics-*.json")):
        try:
            states[path.stem.removeprefix("metrics-")] = msgspec.json.decode(path.read_bytes(), type=WorkerState)
        except (OSError, msgspec.DecodeError):
            # A file being replaced or left by another version: its worker writes it again within a second.
            continue
    states.update(own)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(states, alive))
    return generate_latest(registry)


class _Collected:
    """Adapter to prometheus-client's collector protocol."""

    def __init__(self, states: Mapping[str, WorkerState], alive: frozenset[str]) -> None:
        self._states = states
        self._alive = alive

    def collect(self) -> Iterable[Metric]:
        for name, (meaning, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, meaning, labels=labels)
            for key, total in sorted(_summed(self._states.values(), name).items()):
                family.add_metric(key.split("|") if labels else [], total)
            yield family
        for name, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(name, meaning, labels=("worker",))
            for instance, state in sorted(self._states.items()):
                if instance in self._alive and name in state.gauges:
                    gauge.add_metric([instance], state.gauges[name])
            yield gauge
        yield self._latency()

    def _latency(self) -> Metric:
        histogram = HistogramMetricFamily("tollhouse_call_latency_milliseconds", "From a call's start to its end.")
        running, buckets = 0, []
        for index, bound in enumerate((*LATENCY_BUCKETS_MS, "+Inf")):
            running += sum(state.latency_counts[index] for state in self._states.values())
            buckets.append((str(bound), running))
        histogram.add_metric([], buckets, sum(state.latency_sum_ms for state in self._states.values()))
        return histogram


def _summed(states: Iterable[WorkerState], name: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for state in states:
        for key, count in state.counters.get(name, {}).items():
            total[key] = total.get(key, 0) + count
    return total
