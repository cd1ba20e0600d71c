"""Metrics: summed over the workers of a host, living and dead, in a text that Prometheus can read."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tollhouse.telemetry.metrics import COUNTERS, GAUGES, LATENCY_BUCKETS_MS, Metrics, exposition


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Values by name and labels."""
    found: list[Sample] = [one for family in text_string_to_metric_families(text.decode()) for one in family.samples]
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Metrics, Metrics]:
    """Two workers of one host."""
    return Metrics(tmp_path, "g1"), Metrics(tmp_path, "g2")


def test_every_metric_is_shown(pair: tuple[Metrics, Metrics]) -> None:
    """Each counter and gauge with its meaning, and the latency."""
    one, _ = pair
    for name, (_, labels) in COUNTERS.items():
        one.count(name, 3, *labels)
    for name in GAUGES:
        one.gauge(name, 1.5)
    text = one.exposition(["g1"])
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert set(families) == {*COUNTERS, *GAUGES, "tollhouse_call_latency_milliseconds"}
    assert all(family.documentation.endswith(".") and family.samples for family in families.values())
    shown = samples(text)
    for name, (_, labels) in COUNTERS.items():
        assert shown[f"{name}_total", tuple(sorted((label, label) for label in labels))] == 3
    for name in GAUGES:
        assert shown[name, (("worker", "g1"),)] == 1.5


def test_a_new_worker_shows_zeros(pair: tuple[Metrics, Metrics]) -> None:
    """A counter without labels is there before it is counted, so that a rate can be told from the first count on."""
    shown = samples(pair[0].exposition([]))
    plain = [name for name, (_, labels) in COUNTERS.items() if not labels]
    assert {shown[f"{name}_total", ()] for name in plain} == {0}


def test_workers_are_summed(pair: tuple[Metrics, Metrics]) -> None:
    """Series by series; whoever is asked."""
    one, other = pair
    one.count("tollhouse_refusals", 1, "unknown_key")
    other.count("tollhouse_refusals", 2, "unknown_key")
    other.count("tollhouse_refusals", 5, "too_large")
    one.gauge("tollhouse_open_calls", 1)
    other.gauge("tollhouse_open_calls", 2)
    for worker in pair:
        worker.publish()
    for worker in pair:
        shown = samples(worker.exposition(["g1", "g2"]))
        assert shown["tollhouse_refusals_total", (("code", "unknown_key"),)] == 3
        assert shown["tollhouse_refusals_total", (("code", "too_large"),)] == 5
        assert [shown["tollhouse_open_calls", (("worker", name),)] for name in ("g1", "g2")] == [1, 2]


def test_of_a_dead_worker_the_counters_stay_and_the_gauges_go(pair: tuple[Metrics, Metrics], tmp_path: Path) -> None:
    """A sum that fell would be read as a restart; a dead worker has no open calls."""
    one, other = pair
    other.count("tollhouse_ledger_shipped", 7)
    other.gauge("tollhouse_open_calls", 2)
    other.publish()
    shown = samples(one.exposition(["g1"]))
    assert shown["tollhouse_ledger_shipped_total", ()] == 7
    assert ("tollhouse_open_calls", (("worker", "g2"),)) not in shown
    assert samples(exposition(tmp_path, frozenset(), {}))["tollhouse_ledger_shipped_total", ()] == 7


def test_its_own_counts_come_from_memory(pair: tuple[Metrics, Metrics]) -> None:
    """What was published before is not counted twice."""
    one, _ = pair
    one.count("tollhouse_journal_errors")
    one.publish()
    one.count("tollhouse_journal_errors")
    assert samples(one.exposition([]))["tollhouse_journal_errors_total", ()] == 2


def test_calls_fall_into_buckets_by_latency(pair: tuple[Metrics, Metrics]) -> None:
    """Buckets are cumulative, include their bound, and the last takes all; each call counts by how it ended."""
    one, other = pair
    for latency_ms in (0, 5, 6, 10**9):
        one.call("openai_chat", "completed", latency_ms)
    other.call("openai_chat", "client_gone", 5)
    other.publish()
    shown = samples(one.exposition([]))
    name = "tollhouse_call_latency_milliseconds"
    assert [shown[f"{name}_bucket", (("le", bound),)] for bound in ("5", "10", "300000", "+Inf")] == [3, 4, 4, 5]
    assert (shown[f"{name}_count", ()], shown[f"{name}_sum", ()]) == (5, 10**9 + 16)
    assert shown["tollhouse_calls_total", (("dialect", "openai_chat"), ("outcome", "completed"))] == 4
    assert list(LATENCY_BUCKETS_MS) == sorted(LATENCY_BUCKETS_MS)


def test_a_file_that_cannot_be_read_is_left_out(pair: tuple[Metrics, Metrics], tmp_path: Path) -> None:
    """Half a file, or one of another version, hides one worker for a second and not all of them for good."""
    (tmp_path / "metrics-g9.json").write_bytes(b'{"counters":{"tollhouse_led')
    (tmp_path / "metrics-g8.json").write_bytes(b'{"counters":[]}')
    pair[0].count("tollhouse_journal_errors", 4)
    assert samples(pair[0].exposition([]))["tollhouse_journal_errors_total", ()] == 4


def test_where_nothing_can_be_written_publishing_says_so(tmp_path: Path) -> None:
    """The exposition goes on without."""
    lost = Metrics(tmp_path / "missing", "g1")
    with pytest.raises(OSError, match="No such file"):
        lost.publish()
    assert samples(lost.exposition(["g1"]))["tollhouse_ledger_shipped_total", ()] == 0


def test_a_gauge_must_be_declared(pair: tuple[Metrics, Metrics]) -> None:
    """A name that is not is a defect."""
    with pytest.raises(AssertionError, match="tollhouse_mood"):
        pair[0].gauge("tollhouse_mood", 1)
