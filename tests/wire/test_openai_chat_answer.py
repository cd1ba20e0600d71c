"""OpenAI Chat answers: what is claimed as usage, what is kept of it, and chunks of shapes that nobody documents."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.openai_chat_answer import ChatObserver

PLAIN = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def observed(*chunks: object, choices: int = 1) -> tuple[list[bool], Reported]:
    """Which chunks are claimed, and what is reported of a stream of them that just ends."""
    observer = ChatObserver(choices)
    claimed = [observer.event(json.dumps(chunk).encode(), b"") for chunk in chunks]
    observer.end()
    return claimed, observer.reported


@pytest.mark.parametrize(
    ("chunk", "claimed"),
    [
        ({"choices": [], "usage": PLAIN}, True),
        ({"choices": [], "usage": {}}, True),
        ({"choices": [], "usage": PLAIN, "service_tier": 7}, True),
        ({"choices": [], "usage": None}, False),
        ({"choices": None, "usage": PLAIN}, False),
        ({"usage": PLAIN}, False),
        ({"choices": [{"index": 0, "delta": {}}], "usage": PLAIN}, False),
        ({"choices": [], "usage": PLAIN, "error": {"code": "x"}}, False),
        ({"choices": [], "x_groq": {"usage": PLAIN}}, False),
        ({"choices": [], "usage": [PLAIN]}, False),
    ],
)
def test_only_a_chunk_of_nothing_but_usage_is_claimed(chunk: object, claimed: bool) -> None:
    """Given each place that usage may ride in, when observed, then only a chunk that no client needs is claimed."""
    assert observed(chunk)[0] == [claimed]


def test_plain_usage_is_known_as_such_and_so_is_its_end() -> None:
    """Given plain usage and then one with more in it, when observed, then it is plain exactly while the last is."""
    plain = observed({"choices": [], "usage": PLAIN})[1]
    assert (plain.usage, plain.usage_plain) == (PLAIN, True)
    both = observed({"choices": [], "usage": PLAIN}, {"choices": [], "usage": {**PLAIN, "cost": 0.5}})[1]
    assert (both.usage, both.usage_plain, both.usage_first) == ({**PLAIN, "cost": 0.5}, False, PLAIN)


def test_usage_that_is_cut_is_noted() -> None:
    """Given a number that counts nothing, when observed, then it is gone and the cut is told."""
    reported = observed({"choices": [], "usage": {**PLAIN, "total_tokens": 2**60}})[1]
    assert (reported.usage, reported.flags) == ({"prompt_tokens": 5, "completion_tokens": 2}, ("usage_cut",))


@pytest.mark.parametrize("payload", [b"{", b"7", b"[]", b"\xff", b"[DONE] ", b'{"id":"\\ud800"}', b"[" * 5000])
def test_an_event_that_is_no_chunk_is_noted_and_passes(payload: bytes) -> None:
    """Given an event that cannot be read, when observed, then it is counted, noted and not claimed."""
    observer = ChatObserver(1)
    assert observer.event(payload, b"") is False
    assert (observer.reported.events, observer.reported.flags) == (1, ("event_unreadable",))
    observer.whole(payload)
    assert (observer.reported.finished, observer.reported.flags) == (False, ("event_unreadable", "answer_unreadable"))


def test_a_chunk_of_an_odd_shape_gives_what_it_has() -> None:
    """Given a chunk whose types are not the documented ones, when observed, then nothing that can be had is lost."""
    odd = {
        "id": 7,
        "model": "m-1",
        "service_tier": "flex",
        "choices": [{"index": "0", "delta": {"role": "assistant", "content": [{"type": "text", "text": "hé"}]}}, "x"],
        "x_groq": {"usage": PLAIN},
    }
    reported = observed(odd)[1]
    assert (reported.model, reported.response_id, reported.service_tier) == ("m-1", None, "flex")
    assert (reported.usage, reported.output_bytes, reported.flags) == (PLAIN, 3, ())


def test_an_odd_chunk_can_end_its_choice_but_not_more_choices_than_there_are() -> None:
    """Given reasons to finish in odd chunks, when all choices have one, then it is the end, and the rest is ignored."""
    ends = [{"id": 7, "choices": [{"index": index, "finish_reason": "stop"}]} for index in range(50)]
    assert not observed(ends[0], choices=2)[1].finished
    assert observed(*ends, choices=2)[1].finished


def test_a_whole_answer_counts_every_choice() -> None:
    """Given several choices in one piece, when observed, then the text of all of them is counted."""
    observer = ChatObserver(2)
    message = {"role": "assistant", "content": "ab", "reasoning": "c", "tool_calls": [{"function": {"name": "f"}}]}
    observer.whole(json.dumps({"choices": [{"message": message}, {"message": None}, {"message": message}]}).encode())
    assert (observer.reported.output_bytes, observer.reported.finished) == (8, True)


def test_names_come_from_the_first_chunk_and_the_tier_from_the_last() -> None:
    """Given chunks that differ, when observed, then id and model are the first's, and the tier the last good one's."""
    reported = observed(
        {"id": "a", "model": "m-1", "service_tier": "auto"},
        {"id": "b", "model": "m-2", "service_tier": "priority"},
        {"service_tier": "not a tier"},
    )[1]
    assert (reported.response_id, reported.model, reported.service_tier) == ("a", "m-1", "priority")
