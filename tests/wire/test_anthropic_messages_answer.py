"""Anthropic answers: how start and deltas make one usage object, and events of shapes that nobody documents."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.anthropic_messages_answer import MessagesObserver

START = {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}
STOP = {"type": "message_stop"}


def observed(*events: object) -> Reported:
    """What is reported of a stream of these events; none of them is ever claimed."""
    observer = MessagesObserver()
    for event in events:
        assert observer.event(json.dumps(event).encode(), b"") is False
    observer.end()
    return observer.reported


def whole(body: object) -> Reported:
    """What is reported of an answer in one piece."""
    observer = MessagesObserver()
    observer.whole(json.dumps(body).encode())
    observer.end()
    return observer.reported


def test_the_output_of_the_start_is_not_the_whole_of_a_finished_answer() -> None:
    """Given a stream that ends without a delta's usage, when read, then its output is unknown, not one token."""
    assert observed(START, STOP).usage == {"input_tokens": 10}
    assert observed(START).usage == {"input_tokens": 10, "output_tokens": 1}
    delta = {"type": "message_delta", "usage": {}}
    assert observed(START, delta, STOP).usage == {"input_tokens": 10}


def test_a_delta_of_zeros_is_a_fact() -> None:
    """Given explicit zeros at the end, when merged, then they replace what was said at the start."""
    delta = {"type": "message_delta", "usage": {"output_tokens": 0, "input_tokens": 0}}
    reported = observed(START, delta, STOP)
    assert reported.usage == {"input_tokens": 0, "output_tokens": 0}
    assert reported.usage_first == {"input_tokens": 10, "output_tokens": 1}


def test_only_the_last_delta_is_merged() -> None:
    """Given deltas with different fields, when merged, then what an earlier one alone said is gone."""
    deltas = [
        {"type": "message_delta", "usage": {"output_tokens": 3, "cache_read_input_tokens": 7}},
        {"type": "message_delta", "usage": {"output_tokens": 5}},
    ]
    assert observed(START, *deltas).usage == {"input_tokens": 10, "output_tokens": 5}


@pytest.mark.parametrize(
    ("event", "usage"),
    [
        ({"type": "message_start", "message": {"id": 7, "usage": {"input_tokens": 4}}}, {"input_tokens": 4}),
        ({"type": "message_delta", "delta": 7, "usage": {"output_tokens": 4}}, {"output_tokens": 4}),
        ({"type": "message_delta", "usage": "x"}, None),
        ({"type": "message_start", "message": "x"}, None),
        ({"type": "message_start", "message": {"usage": [1]}}, None),
        ({"type": "message_start", "message": None}, None),
        ({"type": "message_delta", "usage": None}, None),
    ],
)
def test_usage_is_found_beside_fields_of_a_wrong_type(event: object, usage: object) -> None:
    """Given an event with something odd in it, when observed, then usage that is an object counts."""
    assert observed(event).usage == usage


def test_text_and_ends_are_found_beside_fields_of_a_wrong_type() -> None:
    """Given odd deltas, ends and errors, when observed, then text, end and error are known all the same."""
    odd_text = {"type": "content_block_delta", "usage": 7, "delta": {"text": "hé"}}
    odd_parts = {"type": "content_block_delta", "delta": {"text": ["a", {"b": "c"}], "partial_json": None}}
    reported = observed(odd_text, odd_parts, {"type": "error", "error": "words"}, {"type": "message_stop", "usage": 7})
    assert (reported.output_bytes, reported.error_code, reported.finished, reported.flags) == (5, "unknown", True, ())


@pytest.mark.parametrize("event", [7, [], {"type": 7}, {"type": "content_block_delta", "delta": "text"}])
def test_events_without_any_sense_are_noted(event: object) -> None:
    """Given an event of which nothing can be had, when observed, then it is noted."""
    assert observed(event).flags == ("event_unreadable",)


@pytest.mark.parametrize("event", [{}, {"type": "ping"}, {"type": "content_block_start"}, {"type": "of_tomorrow"}])
def test_events_that_say_nothing_of_usage_are_not_noted(event: object) -> None:
    """Given an event of another kind, when observed, then it is counted and that is all."""
    assert observed(event) == Reported(events=1)


def test_an_answer_in_one_piece_counts_text_and_input_of_tools() -> None:
    """Given blocks of each kind, when measured, then text, thinking and a tool's input count, odd ones nothing."""
    content = [
        {"type": "text", "text": "hé"},
        {"type": "thinking", "thinking": "ab", "signature": "not counted"},
        {"type": "tool_use", "input": {"a": "bc", "d": [1, "e"]}},
        "bare",
    ]
    reported = whole({"content": content, "usage": {"output_tokens": 4}})
    assert (reported.output_bytes, reported.usage, reported.usage_first) == (3 + 2 + 3, {"output_tokens": 4}, None)
    assert whole({"content": "bare", "usage": 7}) == Reported(finished=True)


def test_the_tier_that_served_is_the_usages() -> None:
    """Given a tier at the start and another at the end, when merged, then the last counts, and no tier removes none."""
    start = {"type": "message_start", "message": {"usage": {"service_tier": "priority"}}}
    assert observed(start, {"type": "message_delta", "usage": {"output_tokens": 1}}).service_tier == "priority"
    assert observed(start, {"type": "message_delta", "usage": {"service_tier": "batch"}}).service_tier == "batch"
