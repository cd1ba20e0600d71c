"""OpenAI Responses answers: what each event adds, and events of shapes that nobody documents."""

from __future__ import annotations

import json

import pytest

from tollhouse.wire.call import Reported
from tollhouse.wire.dialects.openai_responses_answer import ResponsesObserver


def observed(*events: object) -> Reported:
    """What is reported of a stream of these events; none of them is ever claimed."""
    observer = ResponsesObserver()
    for event in events:
        assert observer.event(json.dumps(event).encode(), b"") is False
    observer.end()
    return observer.reported


def whole(body: object) -> Reported:
    """What is reported of an answer in one piece."""
    observer = ResponsesObserver()
    observer.whole(json.dumps(body).encode())
    return observer.reported


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_each_end_finishes_with_or_without_a_response(kind: str) -> None:
    """Given an end, when its response is absent or null, then it is an end all the same, and usage is unknown."""
    for event in ({"type": kind}, {"type": kind, "response": None}, {"type": kind, "response": {"usage": None}}):
        reported = observed(event)
        assert (reported.finished, reported.usage, reported.flags) == (True, None, ())


def test_a_state_is_not_an_end_and_its_usage_does_not_count() -> None:
    """Given usage before the end, when observed, then only names are taken of it."""
    early = {"model": "m-1", "id": "resp_1", "usage": {"input_tokens": 9}}
    reported = observed({"type": "response.in_progress", "response": early})
    assert (reported.model, reported.response_id, reported.usage, reported.finished) == ("m-1", "resp_1", None, False)


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ({"type": "search"}, "web_search_call"),
        ({"type": None}, "web_search_call"),
        (None, "web_search_call"),
        ({"type": "find_in_page"}, "web_search_call.find_in_page"),
        ({"type": "a new one"}, "web_search_call"),
    ],
)
def test_pages_are_told_from_searches(action: object, name: str) -> None:
    """Given a web search's action, when counted, then only a page opened or searched has a name of its own."""
    done = {"type": "response.output_item.done", "item": {"type": "web_search_call", "action": action}}
    assert observed(done).server_tools == {name: 1}
    assert whole({"output": [done["item"]]}).server_tools == {name: 1}


def test_the_last_list_of_items_replaces_what_was_counted() -> None:
    """Given items counted as they came, when the end lists them, then none counts twice; an empty list says nothing."""
    item = {"type": "response.output_item.done", "item": {"type": "file_search_call"}}
    listed = {"type": "response.completed", "response": {"output": [{"type": "file_search_call"}, 7, {"type": 7}]}}
    empty = {"type": "response.completed", "response": {"output": []}}
    assert observed(item, item, listed).server_tools == {"file_search_call": 1}
    assert observed(item, item, empty).server_tools == {"file_search_call": 2}


def test_tools_of_the_client_are_not_counted() -> None:
    """Given items of every kind, when counted, then only what OpenAI ran is."""
    output = [{"type": kind} for kind in ("message", "function_call", "custom_tool_call", "mcp_call", None, ["x"])]
    assert whole({"output": output}).server_tools == {"mcp_call": 1}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "error", "code": 429}, "429"),
        ({"type": "error", "code": None}, "unknown"),
        ({"type": "error", "error": {"type": "invalid_request_error"}}, "invalid_request_error"),
        ({"type": "error", "error": "words"}, "unknown"),
        ({"error": {"code": "insufficient_quota"}}, "insufficient_quota"),
        ({"type": "response.failed", "response": {"error": "words"}}, None),
    ],
)
def test_errors_are_found_wherever_they_stand(event: object, code: str | None) -> None:
    """Given an error in each shape, when observed, then its code is known, and nothing of its words."""
    assert observed(event).error_code == code


def test_an_event_of_an_odd_shape_gives_what_it_has() -> None:
    """Given a field of a wrong type beside good ones, when observed, then the good ones count."""
    odd = {"type": "response.completed", "item": 7, "response": {"model": "m-1", "usage": {"input_tokens": 3}}}
    assert (observed(odd).usage, observed(odd).model, observed(odd).finished) == ({"input_tokens": 3}, "m-1", True)
    text = {"type": "response.output_text.delta", "item": 7, "delta": "hé"}
    assert observed(text, {"type": "x.delta", "delta": {"a": "b"}}).output_bytes == 3


def test_what_is_no_event_is_noted_and_the_old_end_is_not() -> None:
    """Given junk, when observed, then it is noted; `[DONE]`, which some send here too, is not junk."""
    observer = ResponsesObserver()
    observer.event(b"[DONE]", b"")
    assert observer.reported.flags == ()
    observer.event(b"7", b"")
    observer.whole(b"[]")
    assert observer.reported.flags == ("event_unreadable", "answer_unreadable")
    assert not observer.reported.finished


def test_a_whole_answer_of_odd_parts_counts_their_text() -> None:
    """Given output in shapes of every kind, when measured, then the generated text in it is counted and no more."""
    output = [
        {"type": "message", "content": "plain"},
        {"type": "message", "content": [{"refusal": "no"}, "bare", {"text": 7}]},
        {"type": "custom_tool_call", "input": "in"},
        {"type": "code_interpreter_call", "code": "1+1", "id": "not counted"},
        "not an item",
    ]
    assert whole({"output": output}).output_bytes == 5 + 2 + 2 + 3
    assert whole({"output": "text"}).output_bytes == 0


def test_usage_that_is_no_object_is_unknown_and_one_too_large_is_cut() -> None:
    """Given usage that counts nothing, when read, then it is none, or what is left of it."""
    assert whole({"usage": [1]}).usage is None
    cut = whole({"usage": {"input_tokens": 1, "output_tokens": 2**70}})
    assert (cut.usage, cut.flags) == ({"input_tokens": 1}, ("usage_cut",))
