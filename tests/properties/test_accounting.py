"""Laws of accounting: what a provider bills is what is booked, and booking it again changes nothing.

Each dialect has an author here who writes the usage object that its provider would send for tokens that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.kernel.money import line_cost
from tollhouse.metering.model import RequestFacts, Usage, UsageSource
from tollhouse.metering.tally import NO_USAGE, usage_of
from tollhouse.pricing.explain import StoredCost, explain
from tollhouse.pricing.model import Charge, Price, PriceStatus
from tollhouse.pricing.rates import INPUT_UNITS, OUTPUT_UNITS
from tollhouse.pricing.rules import charge
from tollhouse.wire.call import Dialect, Reported, Route
from tollhouse.wire.dialects import read_request
from tollhouse.wire.paths import match

EXAMPLES = 150
COUNTS = st.integers(0, 5) | st.integers(0, 10**7)
Truth = Mapping[str, int]
Author = Callable[[Truth], dict[str, object]]
FACTS = RequestFacts(body_bytes=100)


def chat(true: Truth) -> dict[str, object]:
    """OpenAI Chat: everything is inside the prompt."""
    prompt = true["input"] + true["read"] + true["write"] + true["audio_in"]
    output = true["output"] + true["audio_out"]
    inner = {"cached_tokens": true["read"], "cache_write_tokens": true["write"], "audio_tokens": true["audio_in"]}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": inner,
        "completion_tokens_details": {"reasoning_tokens": true["output"] // 2, "audio_tokens": true["audio_out"]},
    }


def responses(true: Truth) -> dict[str, object]:
    """OpenAI Responses: the same under other names."""
    inclusive = true["input"] + true["read"] + true["write"]
    return {
        "input_tokens": inclusive,
        "output_tokens": true["output"],
        "total_tokens": inclusive + true["output"],
        "input_tokens_details": {"cached_tokens": true["read"], "cache_write_tokens": true["write"]},
        "output_tokens_details": {"reasoning_tokens": true["output"]},
    }


def anthropic(true: Truth) -> dict[str, object]:
    """Anthropic: cached tokens are beside the input."""
    return {
        "input_tokens": true["input"],
        "cache_read_input_tokens": true["read"],
        "cache_creation_input_tokens": true["write_5m"] + true["write_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": true["write_5m"],
            "ephemeral_1h_input_tokens": true["write_1h"],
        },
        "output_tokens": true["output"],
        "server_tool_use": {"web_search_requests": true["web_search"]},
    }


def gemini(true: Truth) -> dict[str, object]:
    """Gemini: cached tokens inside the prompt, a third of the output thoughts outside the candidates."""
    prompt = true["input"] + true["read"] + true["audio_in"] + true["image_in"]
    thoughts = true["output"] // 3
    modalities = (("TEXT", "input"), ("AUDIO", "audio_in"), ("IMAGE", "image_in"))
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": true["read"],
        "candidatesTokenCount": true["output"] - thoughts,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + true["output"],
        "promptTokensDetails": [{"modality": name, "tokenCount": true[unit]} for name, unit in modalities],
    }


def embeddings(true: Truth) -> dict[str, object]:
    """OpenAI Embeddings: input alone."""
    return {"prompt_tokens": true["input"], "total_tokens": true["input"]}


AUTHORS: dict[Dialect, tuple[Author, tuple[str, ...]]] = {
    Dialect.OPENAI_CHAT: (chat, ("input", "read", "write", "audio_in", "output", "audio_out")),
    Dialect.OPENAI_RESPONSES: (responses, ("input", "read", "write", "output")),
    Dialect.ANTHROPIC_MESSAGES: (anthropic, ("input", "read", "write_5m", "write_1h", "output", "web_search")),
    Dialect.GEMINI_GENERATE: (gemini, ("input", "read", "audio_in", "image_in", "output")),
    Dialect.OPENAI_EMBEDDINGS: (embeddings, ("input",)),
}


@st.composite
def answers(draw: st.DrawFn) -> tuple[Dialect, dict[str, int]]:
    """A dialect, and what was truly used."""
    dialect = draw(st.sampled_from(list(AUTHORS)))
    return dialect, {unit: draw(COUNTS) for unit in AUTHORS[dialect][1]}


PRICES = st.builds(
    Price,
    id=st.just("r"),
    provider=st.just("p"),
    model=st.just("m"),
    rates=st.fixed_dictionaries({unit: st.integers(0, 10**11) for unit in (*INPUT_UNITS, *OUTPUT_UNITS)}),
    fees=st.fixed_dictionaries({"web_search": st.integers(0, 10**9)}),
    source=st.just("s"),
    retrieved=st.just("2026-11-21"),
)


def booked(dialect: Dialect, true: Truth) -> Usage:
    """What is booked of the usage object that the provider would send."""
    reported = Reported(usage=AUTHORS[dialect][0](true), finished=True)
    return usage_of(dialect, reported, complete=True, request=FACTS)


@settings(max_examples=EXAMPLES, deadline=None)
@given(answers(), PRICES)
def test_what_a_provider_bills_is_what_is_booked(answer: tuple[Dialect, dict[str, int]], price: Price) -> None:
    """Given tokens in the words of their dialect, when booked, then each is in its unit, priced exactly, unflagged."""
    dialect, true = answer
    usage = booked(dialect, true)
    assert {**usage.units, **usage.fees} == {unit: count for unit, count in true.items() if count}
    assert (usage.source, usage.flags) == (UsageSource.REPORTED, ())
    fees = {"web_search": true.get("web_search", 0)}
    lines = [line_cost(count, price.rates[unit]) for unit, count in true.items() if unit not in fees]
    expected = sum(lines) + sum(count * price.fees[fee] for fee, count in fees.items())
    assert charge(usage, price, book_version="v").cost_nano_usd == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(answers(), PRICES, st.data())
def test_more_of_anything_never_costs_less(
    answer: tuple[Dialect, dict[str, int]], price: Price, data: st.DataObject
) -> None:
    """Given an answer, when the provider counts more of one thing, then the cost of the call is not lower."""
    dialect, true = answer
    unit = data.draw(st.sampled_from(list(true)))
    more = {**true, unit: true[unit] + data.draw(st.integers(1, 10**6))}
    before, after = (charge(booked(dialect, used), price, book_version="v").cost_nano_usd for used in (true, more))
    assert before is not None
    assert after is not None
    assert before <= after


@settings(max_examples=EXAMPLES, deadline=None)
@given(answers(), PRICES | st.none(), st.booleans())
def test_rating_again_what_was_stored_changes_nothing(
    answer: tuple[Dialect, dict[str, int]], price: Price | None, complete: bool
) -> None:
    """Given a stored call, read back from JSON, when rated again by its row, then every line is what it was."""
    dialect, true = answer
    reported = Reported(usage=AUTHORS[dialect][0](true), output_bytes=77)
    usage = usage_of(dialect, reported, complete=complete, request=FACTS)
    first = charge(usage, price, book_version="v")
    again = msgspec.json.decode(msgspec.json.encode(usage), type=Usage)
    assert charge(again, price, book_version="v") == first
    assert first.cost_nano_usd is None or sum(line.cost_nano_usd for line in first.lines) == first.cost_nano_usd
    stored = StoredCost(
        usage=again,
        status=first.status,
        cost_nano_usd=first.cost_nano_usd,
        lines=msgspec.json.decode(msgspec.json.encode(first), type=Charge).lines,
        price=price,
        book_version="v",
    )
    assert explain(stored).reproduced is True


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text("abcXYZ019_-", min_size=1, max_size=40), st.sampled_from(["GET", "DELETE"]), answers(), PRICES)
def test_looking_at_an_answer_again_costs_nothing(
    identity: str, method: str, answer: tuple[Dialect, dict[str, int]], price: Price
) -> None:
    """Given a stored response's id, when it is asked for again, then its usage, though told again, is not billed."""
    route = match(method, f"/v1/responses/{identity}", ())
    assert isinstance(route, Route)
    assert not hasattr(read_request(route, b""), "code")
    reported = Reported(usage=AUTHORS[answer[0]][0](answer[1]), finished=True)
    usage = usage_of(route.dialect, reported, complete=True, request=FACTS)
    assert usage == NO_USAGE
    free = charge(usage, price, book_version="v")
    assert (free.status, free.cost_nano_usd) == (PriceStatus.FREE, 0)


@settings(max_examples=EXAMPLES, deadline=None)
@given(answers(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_broken_stream_never_counts_less_as_more_comes(
    answer: tuple[Dialect, dict[str, int]], delivered: int, more: int
) -> None:
    """Given a stream that broke off, when more of it had come, then it would not have counted for less."""
    dialect, true = answer
    usage = AUTHORS[dialect][0](true)
    less, rest = (
        usage_of(dialect, Reported(usage=dict(usage), output_bytes=size), complete=False, request=FACTS)
        for size in (delivered, delivered + more)
    )
    assert (less.output_tokens or 0) <= (rest.output_tokens or 0)
    assert less.input_tokens == rest.input_tokens
    output = sum(count for unit, count in rest.units.items() if unit in OUTPUT_UNITS)
    assert output == rest.output_tokens
