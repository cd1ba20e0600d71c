"""The lists of log events, metrics, refusals and settings say what the code says."""

from __future__ import annotations

from house import catalogues
from house.ratchet import demand, overlooked
from house.source import parse, product_sources, read
from tollhouse.kernel.refusal import RefusalCode
from tollhouse.telemetry.log import CATALOGUE
from tollhouse.telemetry.metrics import COUNTERS, GAUGES

LOG, METRICS = "src/tollhouse/telemetry/log.py", "src/tollhouse/telemetry/metrics.py"


def test_log_events_and_their_catalogue_agree() -> None:
    """Every event that is said is catalogued, and every catalogued one is said."""
    sources = [source for source in product_sources() if source.path != LOG]
    demand(catalogues.event_mismatches(sources, CATALOGUE), overlooked("log_events"))


def test_every_metric_is_counted() -> None:
    """No counter or gauge is declared that nothing moves."""
    sources = {source.path: source for source in product_sources()}
    own = sources.pop(METRICS)
    found = catalogues.unused_metrics(sources.values(), own, [*COUNTERS, *GAUGES])
    demand(found, overlooked("metrics"))


def test_every_refusal_is_documented() -> None:
    """Each code has its row with its status, and there is no row of a code that is gone."""
    codes = {refusal.code: refusal.status for refusal in RefusalCode}
    found = catalogues.undocumented_refusals(read("docs/reference/errors.md"), codes)
    demand(found, overlooked("refusals"))


def test_an_event_outside_the_catalogue_is_found() -> None:
    """Control: said and not listed; listed and not said; handed on by name counts as said."""
    source = parse("a.py", "log('call.lost')\nself._notice('journal.torn')\nraise_event = 'call.fault'\nlog(name)\n")
    found = catalogues.event_mismatches([source], {"call.fault", "worker.started"})
    assert [finding.key for finding in found] == ["call.lost", "journal.torn", "worker.started"]


def test_a_metric_that_nothing_counts_is_found() -> None:
    """Control: one named elsewhere, one counted where it is declared, one declared alone."""
    own = parse("metrics.py", "COUNTERS = {'calls': 1, 'cost': 2, 'tokens': 3}\ndef used(): count('cost')\n")
    found = catalogues.unused_metrics([parse("a.py", "m.count('calls')")], own, ["calls", "cost", "tokens"])
    assert [finding.key for finding in found] == ["tokens"]


def test_an_undocumented_refusal_is_found() -> None:
    """Control: no row, a row with another status, a row of no code."""
    page = "| `too_large` | 413 | x |\n| `held` | 402 | x |\n| `gone` | 410 | x |\n"
    found = catalogues.undocumented_refusals(page, {"too_large": 413, "held": 429, "forbidden": 403})
    assert [finding.key for finding in found] == ["held", "forbidden", "gone"]
