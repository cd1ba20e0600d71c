"""What a call may cost at most, and whether that is within what its caller set."""

from __future__ import annotations

from typing import Any

import pytest

from tollhouse.budget.model import Hold
from tollhouse.budget.rules import ABOVE_THE_MOST, CEILING_UNKNOWN, FREE_HOLD, hold_for, within
from tollhouse.pricing.model import Price
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

PRICE = Price(
    id="row",
    provider="p",
    model="m",
    rates={"input": 2_000_000_000, "output": 10_000_000_000},
    context_tokens=1000,
    output_tokens_max=400,
    source="test",
    retrieved="2026-11-21",
)
"""A token in costs at most 4000 nano-USD, twice the rate, written to a cache for an hour; one out 10,000."""
ROUNDING_NANO_USD = 100
"""More than a nano-dollar for each line of a bill."""


def call(dialect: Dialect = Dialect.OPENAI_CHAT, **fields: Any) -> Call:
    """A call of 100 bytes that asks for at most 50 tokens."""
    route = Route(
        family=Family.OPENAI,
        dialect=dialect,
        operation=Operation.CHAT,
        provider=None,
        upstream_path="/v1/chat/completions",
    )
    facts: dict[str, Any] = {
        "route": route,
        "model": "m",
        "stream": False,
        "body": bytes(100),
        "max_output_tokens": 50,
    }
    return Call(**(facts | fields))


@pytest.mark.parametrize(
    ("asked", "tokens_in", "tokens_out", "outputs"),
    [
        (call(), 100, 50, 50),
        (call(choices=3), 100, 50, 150),
        (call(max_output_tokens=None), 100, 400, 400),
        (call(referenced=True), 1000, 50, 50),
        (call(Dialect.OPENAI_EMBEDDINGS), 100, 0, 0),
    ],
    ids=["inline", "choices", "the model's most", "referenced", "embeddings"],
)
def test_the_ceiling_is_bytes_in_and_the_most_out(asked: Call, tokens_in: int, tokens_out: int, outputs: int) -> None:
    """At worst a byte is a token, input elsewhere fills the context, and every choice is as long as it may be."""
    hold = hold_for(asked, PRICE)
    assert (hold.input_tokens_max, hold.output_tokens_max, hold.price_id) == (tokens_in, tokens_out, "row")
    assert hold.ceiling_nano_usd is not None
    least = tokens_in * 4000 + outputs * 10_000
    assert least <= hold.ceiling_nano_usd < least + ROUNDING_NANO_USD


@pytest.mark.parametrize(
    ("asked", "price"),
    [
        (call(), None),
        (call(unbounded=True), PRICE),
        (call(Dialect.RAW), PRICE),
        (call(referenced=True), None),
        (
            call(max_output_tokens=None),
            Price(id="r", provider="p", model="m", rates={}, source="t", retrieved="2026-11-21"),
        ),
    ],
    ids=["no price", "tools without a bound", "raw", "referenced without a context", "no most of output"],
)
def test_what_has_no_sound_ceiling_has_none(asked: Call, price: Price | None) -> None:
    """Unknown is never zero."""
    assert hold_for(asked, price).ceiling_nano_usd is None


def test_a_free_call_holds_nothing() -> None:
    """Model lists and token counts are not billed, priced or not."""
    assert hold_for(call(Dialect.FREE), None) is FREE_HOLD
    assert FREE_HOLD.ceiling_nano_usd == 0


def held(ceiling_nano_usd: int | None) -> Hold:
    """A hold of that much."""
    return Hold(ceiling_nano_usd=ceiling_nano_usd, input_tokens_max=1, output_tokens_max=1, price_id=None)


@pytest.mark.parametrize("ceiling", [None, 0, 10**12])
def test_without_a_most_every_hold_passes(ceiling: int | None) -> None:
    """Also one that is not known."""
    hold = held(ceiling)
    assert within(hold, None) is hold


def test_a_hold_up_to_the_most_passes() -> None:
    """The most itself is allowed; a nano-dollar more is not; what is not known cannot be promised."""
    assert within(held(5), 5) == held(5)
    assert within(held(6), 5) is ABOVE_THE_MOST
    assert within(held(None), 5) is CEILING_UNKNOWN
