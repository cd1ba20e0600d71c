"""One call as one line."""

from __future__ import annotations

from typing import Any

import pytest

from tollhouse.ledger.line import call_line, cost_text, duration, labels_text, outcome_text, shown


def test_a_plain_call(records: Any) -> None:
    """When, who, what, how much, for whom, which."""
    call = records.closed(
        1,
        provider="openai",
        model="gpt-5-mini",
        input_tokens=150,
        output_tokens=320,
        cost_nano_usd=5_250_000,
        team="ml",
    )
    assert call_line(call).split() == [
        *("14:13:20Z", "openai", "gpt-5-mini", "150", "in", "320", "out", "$0.00525", "100", "ms", "team=ml"),
        f"req_{call.call_id}",
    ]


def test_lines_stand_under_each_other(records: Any) -> None:
    """Whatever the numbers."""
    small = records.closed(1, provider="xai", model="m", input_tokens=1, output_tokens=1)
    large = records.closed(2, provider="anthropic", model="claude-sonnet-4-6", input_tokens=123456, output_tokens=4096)
    assert call_line(small).index(" ms") == call_line(large).index(" ms")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cost_nano_usd": 5}, "$0.000000005"),
        ({"cost_nano_usd": 5, "usage_source": "estimated"}, "~$0.000000005"),
        ({"cost_nano_usd": 5, "usage_source": "partial"}, "~$0.000000005"),
        ({"cost_nano_usd": None, "price_status": "unpriced"}, "unpriced"),
        ({"cost_nano_usd": None, "price_status": "free", "usage_source": "none"}, "$0"),
    ],
)
def test_cost(records: Any, fields: dict[str, Any], expected: str) -> None:
    """An estimate is marked, an unknown cost is never zero."""
    assert cost_text(records.closed(1, **fields)) == expected


def test_outcomes(records: Any) -> None:
    """With code and status where it did not end well."""
    assert outcome_text(records.closed(1, status=200)) == "completed"
    refused = records.closed(1, outcome="refused", error_code="budget_exceeded", status=402)
    assert outcome_text(refused) == "refused budget_exceeded 402"
    assert "[refused budget_exceeded 402]" in call_line(refused)
    away = records.closed(1, outcome="provider_unreachable", error_code="provider_unreachable", status=502)
    assert outcome_text(away) == "provider_unreachable 502"


def test_remarks(records: Any) -> None:
    """Of what was not plain about it."""
    line = call_line(records.closed(1, streaming=True, cache_hit=True, routed=True))
    assert " stream cache-hit routed " in line


def test_unknown_counts_are_not_zero(records: Any) -> None:
    """A refused call has none."""
    assert " ? in " in call_line(records.closed(1))


def test_text_from_outside_is_bounded_and_harmless(records: Any) -> None:
    """A terminal obeys control characters, so none gets through."""
    call = records.closed(1, requested_model="\x1b[2J" + "m" * 500, team="a\nb")
    line = call_line(call)
    assert line.isprintable()
    assert len(line) < 260
    assert labels_text(call) == "team=a\N{REPLACEMENT CHARACTER}b"
    assert shown("m" * 64) == "m" * 64


def test_durations() -> None:
    """Milliseconds, then seconds with one digit."""
    assert [duration(ms) for ms in (0, 999, 1000, 1250, 61_990)] == ["0 ms", "999 ms", "1.0 s", "1.2 s", "61.9 s"]
