"""What a call's ending means in usage and money, with values alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tollhouse.budget.rules import hold_for
from tollhouse.gateway.settlement import Ending, PriceAt, Settlement, price_of, settle
from tollhouse.metering.model import UsageSource
from tollhouse.pricing.book_file import load_package_book
from tollhouse.pricing.model import PriceStatus
from tollhouse.wire.call import Call, Dialect, Family, Operation, Reported, Route

BOOK = load_package_book()
AT = PriceAt(provider="openai", at=datetime(2026, 11, 21, tzinfo=UTC))
USAGE = {"prompt_tokens": 100, "completion_tokens": 10}
BODY = b"x" * 400


def call_of(dialect: Dialect = Dialect.OPENAI_CHAT, *, stream: bool = True, model: str = "gpt-4o-mini") -> Call:
    """A call with a body of 400 bytes and at most 1,000 tokens of output."""
    route = Route(family=Family.OPENAI, dialect=dialect, operation=Operation.CHAT, provider=None, upstream_path="/v1/a")
    return Call(route=route, model=model, stream=stream, body=BODY, max_output_tokens=1000)


def settled(call: Call, reported: Reported | None, **ending: Any) -> Settlement:
    """An ending of a call that was sent, answered with 200, and came to its end, unless said otherwise."""
    facts = {"sent": True, "provider_status": 200, "complete": True} | ending
    hold = hold_for(call, price_of(call, BOOK, AT))
    return settle(call, hold, BOOK, AT, Ending(reported=reported, **facts))


def figures(found: Settlement) -> tuple[str, int | None, int | None, int | None]:
    """Source, input, output, cost."""
    usage = found.usage
    return usage.source.value, usage.input_tokens, usage.output_tokens, found.charge.cost_nano_usd


CEILING = hold_for(call_of(), price_of(call_of(), BOOK, AT)).ceiling_nano_usd


def test_what_was_never_sent_is_free() -> None:
    """Whatever else is known of it."""
    found = settled(call_of(), None, sent=False, provider_status=None, complete=False)
    assert (found.charge.status, *figures(found)) == (PriceStatus.FREE, "none", None, None, 0)


def test_an_error_status_without_usage_is_free_and_with_usage_is_not() -> None:
    """No provider bills a refusal, unless it says that it does."""
    assert settled(call_of(), Reported(), provider_status=429).charge.status is PriceStatus.FREE
    told = settled(call_of(stream=False), Reported(usage=USAGE, finished=True), provider_status=400)
    assert figures(told) == ("reported", 100, 10, 100 * 150 + 10 * 600)


def test_what_was_sent_and_never_answered_costs_its_ceiling() -> None:
    """Unknown is not free."""
    found = settled(call_of(), None, provider_status=None, complete=False)
    assert figures(found) == ("estimated", 400, 1000, CEILING)
    assert CEILING is not None and CEILING >= 400 * 150 + 1000 * 600
    assert found.usage.flags == ("at_ceiling",)


@pytest.mark.parametrize("complete", [True, False])
def test_an_answer_of_which_nothing_could_be_read_costs_its_ceiling(complete: bool) -> None:
    """Whether it broke off or was garbage from end to end; what was odd stays noted."""
    found = settled(call_of(stream=False), Reported(flags=("answer_unreadable",)), complete=complete)
    assert figures(found) == ("estimated", 400, 1000, CEILING)
    assert found.usage.flags == ("at_ceiling", "answer_unreadable")


def test_a_redirect_is_no_answer_that_could_cost() -> None:
    """It is never followed, and carries no usage."""
    assert figures(settled(call_of(), Reported(), provider_status=307))[3] == 0


def test_a_finished_answer_counts_as_reported() -> None:
    """Also where the connection broke behind it."""
    for complete in (True, False):
        found = settled(call_of(), Reported(usage=USAGE, finished=True, events=9), complete=complete)
        assert figures(found) == ("reported", 100, 10, 100 * 150 + 10 * 600)


def test_a_cut_stream_counts_what_was_delivered() -> None:
    """Reported where something was, else by bytes: four to a token, and marked."""
    bare = settled(call_of(), Reported(output_bytes=200, events=5), complete=False)
    assert figures(bare) == ("partial", 100, 50, 100 * 150 + 50 * 600)
    told = settled(call_of(), Reported(usage=USAGE, output_bytes=200, events=5), complete=False)
    assert figures(told) == ("partial", 100, 50, 100 * 150 + 50 * 600)


def test_a_stream_that_ends_without_its_last_word_is_cut() -> None:
    """A proper end of the connection is not the end of the answer."""
    found = settled(call_of(), Reported(usage=USAGE, output_bytes=200, events=5, error_code="overloaded"))
    assert found.usage.source is UsageSource.PARTIAL


def test_a_complete_answer_without_usage_is_estimated() -> None:
    """Not partial: all of it was seen."""
    for stream in (True, False):
        found = settled(call_of(stream=stream), Reported(output_bytes=200, finished=True, events=int(stream)))
        assert figures(found) == ("estimated", 100, 50, 100 * 150 + 50 * 600)


def test_unknown_models_and_raw_paths_have_no_cost() -> None:
    """None, not zero; the path unread says so."""
    unknown = settled(call_of(model="model-of-tomorrow"), Reported(usage=USAGE, finished=True))
    assert (unknown.charge.status, unknown.charge.cost_nano_usd) == (PriceStatus.UNPRICED, None)
    lost = settled(call_of(model="model-of-tomorrow"), None, provider_status=None, complete=False)
    assert (lost.charge.status, lost.charge.cost_nano_usd, lost.usage.flags) == (
        PriceStatus.UNPRICED,
        None,
        ("at_ceiling",),
    )
    raw = settled(call_of(Dialect.RAW), Reported(finished=True))
    assert (raw.charge.cost_nano_usd, raw.usage.flags) == (None, ("unmetered",))


def test_free_operations_are_free() -> None:
    """Model lists and token counts, answered or not."""
    assert settled(call_of(Dialect.FREE), None, provider_status=None).charge.status is PriceStatus.FREE


def test_the_model_that_answered_is_priced() -> None:
    """Else the one that was asked for."""
    answered = Reported(usage=USAGE, finished=True, model="gpt-4o-2024-08-06")
    found = settled(call_of(), answered)
    assert found.model == "gpt-4o-2024-08-06" and found.charge.price_id != "openai/gpt-4o-mini"
    strange = settled(call_of(), Reported(usage=USAGE, finished=True, model="somebody-elses-name"))
    assert (strange.model, strange.charge.price_id) == ("somebody-elses-name", "openai/gpt-4o-mini")
