"""The page of metrics: each that `/metrics` shows, its labels and its meaning."""

from __future__ import annotations

from pages.table import MADE, table
from tollhouse.telemetry.metrics import COUNTERS, GAUGES, LATENCY_BUCKETS_MS


def page() -> str:
    """Markdown."""
    counters = [
        (f"`{name}_total`", "counter", ", ".join(f"`{label}`" for label in labels) or "–", meaning)
        for name, (meaning, labels) in COUNTERS.items()
    ]
    gauges = [(f"`{name}`", "gauge", "`worker`", meaning) for name, meaning in GAUGES.items()]
    latency = ("`tollhouse_call_latency_milliseconds`", "histogram", "–", "From a call's start to its end.")
    bounds = ", ".join(str(bound) for bound in LATENCY_BUCKETS_MS)
    return (
        f"{MADE}\n# Metrics\n\n"
        "`GET /metrics` on the gateway's port, in Prometheus' text format, over all workers of the machine. Counters\n"
        "keep what dead workers had counted; gauges are those of living ones. No label names a workspace, a key or a\n"
        "model.\n\n"
        f"{table(('metric', 'type', 'labels', 'meaning'), [*counters, *gauges, latency])}\n"
        f"Buckets of the histogram, in milliseconds: {bounds}.\n"
    )
