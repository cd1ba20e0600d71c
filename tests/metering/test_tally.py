"""The splitter's decisions: what counts as usage, what is estimated, what costs nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.metering.model import Flag, RequestFacts, Shape, UsageSource
from tollhouse.metering.tally import NO_USAGE, SPLITTERS, shape_of, split_usage, usage_of
from tollhouse.wire.call import Dialect, Reported

CALL = RequestFacts(body_bytes=400)
METERED = [dialect for dialect in Dialect if dialect not in (Dialect.FREE, Dialect.RAW)]


def tally(dialect: Dialect, *, facts: RequestFacts = CALL, complete: bool = True, **reported: object):
    return usage_of(dialect, Reported(**reported), complete=complete, request=facts)


def test_explicit_zero_is_a_fact() -> None:
    """A usage object of zeros is reported usage, and nothing is estimated in its place."""
    usage = tally(Dialect.OPENAI_CHAT, usage={"prompt_tokens": 0, "completion_tokens": 0}, output_bytes=80)
    assert (usage.source, dict(usage.units), usage.flags) == (UsageSource.REPORTED, {}, ())


@pytest.mark.parametrize("dialect", METERED)
def test_missing_usage_is_estimated(dialect: Dialect) -> None:
    """A success without a usage object is estimated from the bytes that went and came."""
    usage = tally(dialect, output_bytes=81)
    output = {} if dialect is Dialect.OPENAI_EMBEDDINGS else {"output": 21}
    assert (usage.source, dict(usage.units)) == (UsageSource.ESTIMATED, {"input": 100, **output})


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_error_status_without_usage_costs_nothing(status: int) -> None:
    """Answered with an error and no usage: nothing was billed."""
    assert tally(Dialect.OPENAI_CHAT, facts=RequestFacts(body_bytes=400, status=status)) == NO_USAGE


def test_error_status_with_usage_is_billed() -> None:
    """Usage that comes with an error status is billed like any other."""
    facts = RequestFacts(status=500)
    usage = tally(Dialect.OPENAI_CHAT, facts=facts, usage={"prompt_tokens": 9, "completion_tokens": 2})
    assert (usage.source, usage.units) == (UsageSource.REPORTED, {"input": 9, "output": 2})


def test_error_inside_a_stream_before_any_output_costs_nothing() -> None:
    """An error event instead of an answer is an error status that came late."""
    assert tally(Dialect.OPENAI_RESPONSES, error_code="insufficient_quota") == NO_USAGE


def test_error_inside_a_stream_after_output_is_estimated() -> None:
    """What was delivered before the error is taken as billed."""
    usage = tally(Dialect.OPENAI_CHAT, error_code="server_error", output_bytes=40, complete=False)
    assert (usage.source, usage.units) == (UsageSource.ESTIMATED, {"input": 100, "output": 10})


def test_never_answered_counts_at_its_ceiling() -> None:
    """A request that was sent and never answered may have been served in full."""
    facts = RequestFacts(body_bytes=400, status=None, input_tokens_max=400, output_tokens_max=1000)
    usage = tally(Dialect.OPENAI_CHAT, facts=facts)
    assert (usage.source, usage.units) == (UsageSource.ESTIMATED, {"input": 400, "output": 1000})


def test_free_operations_are_free_even_with_numbers() -> None:
    """Token counts and model lists are never billed."""
    assert tally(Dialect.FREE, usage={"input_tokens": 5}) == NO_USAGE


def test_raw_answers_are_read_by_their_shape() -> None:
    """A raw path is metered where the usage object has a shape that is known."""
    usage = tally(Dialect.RAW, usage={"promptTokenCount": 5, "candidatesTokenCount": 3})
    assert usage.units == {"input": 5, "output": 3}


def test_raw_answers_of_unknown_shape_are_unmetered() -> None:
    """What cannot be read is flagged; it is not zero."""
    usage = tally(Dialect.RAW, usage={"billed": 5})
    assert (usage.source, usage.flags) == (UsageSource.ESTIMATED, (Flag.UNMETERED.value,))


def test_broken_stream_is_partial() -> None:
    """Of a stream that broke off, the input is as reported and the output as delivered."""
    first = {"input_tokens": 70, "cache_read_input_tokens": 30, "output_tokens": 1}
    usage = tally(Dialect.ANTHROPIC_MESSAGES, usage=first, usage_first=first, output_bytes=200, complete=False)
    assert (usage.source, usage.input_tokens, usage.output_tokens) == (UsageSource.PARTIAL, 100, 50)
    assert usage.units == {"input": 70, "read": 30, "output": 50}


def test_broken_stream_keeps_the_larger_output() -> None:
    """A cumulative count that is ahead of the delivered bytes is not lowered."""
    usage = tally(
        Dialect.GEMINI_GENERATE,
        usage={"promptTokenCount": 7, "candidatesTokenCount": 60},
        output_bytes=40,
        complete=False,
    )
    assert (usage.source, usage.units) == (UsageSource.PARTIAL, {"input": 7, "output": 60})


def test_finished_answer_is_final_though_the_connection_broke_after_it() -> None:
    """Once a dialect's end was seen, the last usage object is final."""
    usage = tally(
        Dialect.OPENAI_CHAT,
        usage={"prompt_tokens": 5, "completion_tokens": 2},
        output_bytes=999,
        finished=True,
        complete=False,
    )
    assert (usage.source, usage.units) == (UsageSource.REPORTED, {"input": 5, "output": 2})


def test_one_side_missing_is_estimated_and_flagged() -> None:
    """A usage object without its input does not make the input free."""
    usage = tally(Dialect.OPENAI_CHAT, usage={"completion_tokens": 4})
    assert (usage.source, usage.units) == (UsageSource.ESTIMATED, {"input": 100, "output": 4})
    assert usage.flags == (Flag.MISSING.value,)


def test_totals_follow_open_telemetry() -> None:
    """All input includes cached; cache and reasoning are parts."""
    usage = tally(
        Dialect.ANTHROPIC_MESSAGES,
        usage={
            "input_tokens": 3,
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 20,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    )
    totals = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    assert (*totals, usage.reasoning_tokens) == (33, 9, 10, 20, 4)


def test_an_all_zero_input_side_at_the_end_does_not_undo_the_start() -> None:
    """Gateways that fill the final delta with zeros do not make the input free."""
    usage = tally(
        Dialect.ANTHROPIC_MESSAGES,
        usage={"input_tokens": 0, "output_tokens": 9},
        usage_first={"input_tokens": 40, "output_tokens": 1},
    )
    assert usage.units == {"input": 40, "output": 9}


def test_advisor_turns_are_flagged() -> None:
    """Turns of another model are billed at its rates and are not silently left out."""
    turn = {"type": "advisor_message", "model": "other", "input_tokens": 5, "output_tokens": 5}
    usage = tally(Dialect.ANTHROPIC_MESSAGES, usage={"input_tokens": 1, "output_tokens": 1, "iterations": [turn]})
    assert usage.flags == (Flag.OTHER_MODEL.value,)


@pytest.mark.parametrize("count", [-1, 2**53, 10**30, 1.5, float("nan"), float("inf"), True, "7", [7]])
def test_a_count_that_is_none_is_flagged_and_not_booked(count: object) -> None:
    """Negative, absurd and non-numeric counts are taken as not reported."""
    usage = tally(Dialect.OPENAI_CHAT, usage={"prompt_tokens": count, "completion_tokens": 4})
    assert Flag.INVALID.value in usage.flags
    assert usage.units == {"input": 100, "output": 4}


def test_a_total_that_nothing_fits_is_flagged() -> None:
    """Where no reading makes the identity hold, the call says so."""
    usage = tally(
        Dialect.OPENAI_CHAT, usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40, "cached_tokens": 3}
    )
    assert usage.flags == (Flag.INCONSISTENT.value,)
    assert usage.units == {"input": 7, "read": 3, "output": 5}


def test_raw_usage_keeps_numbers_and_no_text() -> None:
    """What is stored of a usage object cannot carry content."""
    usage = tally(
        Dialect.OPENAI_CHAT,
        usage={"prompt_tokens": 1, "completion_tokens": 1, "note": "secret", "deep": {"text": "secret", "n": 2}},
    )
    assert usage.raw == {"prompt_tokens": 1, "completion_tokens": 1, "deep": {"n": 2}}
    assert usage.flags == (Flag.UNKNOWN_FIELD.value,)


def test_raw_usage_is_bounded() -> None:
    """A huge usage object does not become a huge row."""
    wide = {"prompt_tokens": 1, "completion_tokens": 1, **{f"k{n}": n for n in range(10_000)}}
    usage = tally(Dialect.OPENAI_CHAT, usage=wide)
    assert usage.raw is not None
    assert len(usage.raw) == 64


@pytest.mark.parametrize(
    ("usage", "expected", "shape"),
    [
        ({"prompt_tokens": 1}, Shape.ANTHROPIC, Shape.CHAT),
        ({"input_tokens": 1, "cache_read_input_tokens": 0}, None, Shape.ANTHROPIC),
        ({"input_tokens": 1, "total_tokens": 1}, None, Shape.RESPONSES),
        ({"input_tokens": 1}, Shape.ANTHROPIC, Shape.ANTHROPIC),
        ({"input_tokens": 1}, Shape.IMAGES, Shape.IMAGES),
        ({"inputTokens": 1}, Shape.CHAT, Shape.CONVERSE),
        ({"totalTokenCount": 1}, None, Shape.GEMINI),
        ({"trafficType": "ON_DEMAND"}, Shape.GEMINI, Shape.GEMINI),
        ({"anything": 1}, None, None),
    ],
)
def test_shape_decides_and_the_dialect_only_breaks_ties(usage: dict, expected: Shape | None, shape: Shape) -> None:
    """The keys of a usage object tell how to read it."""
    assert shape_of(expected, usage) is shape


KEYS = sorted(
    {
        *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens"),
        *("prompt_tokens_details", "completion_tokens_details", "audio_tokens", "image_tokens", "reasoning_tokens"),
        *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "ephemeral_1h_input_tokens"),
        *("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount", "iterations"),
        *("thoughtsTokenCount", "promptTokensDetails", "inputTokens", "outputTokens", "cacheReadInputTokens"),
        *("cacheWriteInputTokens", "cacheDetails", "ttl", "modality", "tokenCount", "type", "seconds", "totalTokens"),
        *("input_token_details", "cached_tokens_details", "text_tokens", "server_tool_use", "web_search_requests"),
    }
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 5000),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["AUDIO", "TEXT", "1h", "compaction", "x"]),
)
USAGES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.dictionaries(st.sampled_from(KEYS), inner, max_size=8), st.lists(inner, max_size=4)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), USAGES, max_size=7)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(Dialect), OBJECTS, st.none() | OBJECTS, st.booleans(), st.integers(0, 10_000))
def test_units_are_never_negative_and_nothing_raises(
    dialect: Dialect, usage: dict, first: dict | None, complete: bool, delivered: int
) -> None:
    """Whatever a provider sends, every unit and fee is a whole number of zero or more."""
    reported = Reported(usage=usage, usage_first=first, output_bytes=delivered)
    found = usage_of(dialect, reported, complete=complete, request=CALL)
    counts = [*found.units.values(), *found.fees.values()]
    assert all(type(count) is int and count >= 0 for count in counts)
    for total in (found.input_tokens, found.output_tokens):
        assert total is None or total >= 0


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(SPLITTERS)), OBJECTS)
def test_units_add_up_to_the_totals(shape: Shape, usage: dict) -> None:
    """The parts of each side sum to the side, so that no token is billed twice or dropped."""
    split = split_usage(shape, usage, {})
    outputs = ("output", "text_out", "audio_out", "image_out", "video_out", "document_out")
    into = sum(count for unit, count in split.units.items() if unit not in outputs)
    out = sum(count for unit, count in split.units.items() if unit in outputs)
    assert into == (split.input_tokens or 0) or split.input_tokens is None
    assert out == (split.output_tokens or 0)
