"""What each dialect's observer reports of an answer, whole or streamed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tollhouse.wire.call import Call, Dialect, Reported
from tollhouse.wire.dialects import answer_reader

Make = Callable[..., Call]


def streamed(call: Call, payloads: list[object], done: bool = False) -> Reported:
    """What is reported of a stream of these payloads."""
    reader = answer_reader(call, "text/event-stream", 200, False)
    for payload in payloads:
        reader.feed(f"data: {json.dumps(payload)}\n\n".encode())
    if done:
        reader.feed(b"data: [DONE]\n\n")
    reader.finish()
    return reader.reported


def whole(call: Call, body: object, status: int = 200) -> Reported:
    """What is reported of an answer in one piece."""
    reader = answer_reader(call, "application/json", status, False)
    reader.feed(json.dumps(body).encode())
    reader.finish()
    return reader.reported


def test_chat_usage_is_the_last_one_seen(call_of: Make) -> None:
    """Given cumulative usage on every chunk, when read, then the last counts and the first is kept beside it."""
    call = call_of(Dialect.OPENAI_CHAT)
    chunks = [{"choices": [{"index": 0, "delta": {}}], "usage": {"completion_tokens": n}} for n in (1, 5, 9)]
    reported = streamed(call, [*chunks, {"choices": [], "usage": None}])
    assert (reported.usage, reported.usage_first) == ({"completion_tokens": 9}, {"completion_tokens": 1})


def test_chat_usage_of_groq(call_of: Make) -> None:
    """Given usage in x_groq, when read, then it is the usage."""
    reported = streamed(
        call_of(Dialect.OPENAI_CHAT), [{"choices": [], "x_groq": {"id": "r", "usage": {"prompt_tokens": 3}}}]
    )
    assert reported.usage == {"prompt_tokens": 3}


def test_chat_counts_all_that_is_generated(call_of: Make) -> None:
    """Given text, reasoning, refusal and tool arguments, when read, then their UTF-8 bytes are counted."""
    deltas = [
        {"content": "é"},
        {"reasoning_content": "abc"},
        {"reasoning": "abc", "reasoning_details": [{"text": "abc"}]},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": "{}"}}]},
        {"function_call": {"arguments": "12"}},
        {"content": [{"type": "text", "text": "parts"}]},
    ]
    reported = streamed(call_of(Dialect.OPENAI_CHAT), [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas])
    assert reported.output_bytes == 2 + 3 + 3 + 2 + 3 + 2 + 5


def test_chat_ends_with_done_or_when_every_choice_has(call_of: Make) -> None:
    """Given a stream, when it ends with [DONE] or all choices gave a reason, then it is finished, else not."""
    call = call_of(Dialect.OPENAI_CHAT, choices=2)
    ends = [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in (0, 1)]
    assert streamed(call, [], done=True).finished
    assert streamed(call, ends).finished
    assert not streamed(call, ends[:1]).finished
    assert not streamed(call, [ends[0], ends[0]]).finished


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "tool_use_failed", "type": "invalid_request_error"}, "tool_use_failed"),
        ({"code": None, "type": "invalid_request_error"}, "invalid_request_error"),
        ({"code": 429, "message": "secret text here"}, "429"),
        ({"message": "secret"}, "unknown"),
        ("secret text of many words", "unknown"),
        ({"code": "with spaces and a secret"}, "unknown"),
    ],
)
def test_chat_errors_are_known_by_code_alone(call_of: Make, error: object, code: str) -> None:
    """Given an error in a stream or an answer, when read, then its code is known and nothing of its message."""
    call = call_of(Dialect.OPENAI_CHAT)
    assert streamed(call, [{"error": error}]).error_code == code
    assert whole(call, {"error": error}, 400).error_code == code


def test_names_that_are_no_names_are_dropped(call_of: Make) -> None:
    """Given content where a name belongs, when read, then it is not taken for one."""
    names = {"id": "a secret", "model": "tell me\nall", "service_tier": "x" * 40}
    for reported in (
        whole(call_of(Dialect.OPENAI_CHAT), {**names, "choices": []}),
        whole(call_of(Dialect.OPENAI_RESPONSES), names),
        whole(call_of(Dialect.ANTHROPIC_MESSAGES), {**names, "usage": {"service_tier": "a b"}}),
        whole(call_of(Dialect.GEMINI_GENERATE), {"responseId": "a b", "modelVersion": "a b"}),
    ):
        assert (reported.model, reported.response_id, reported.service_tier) == (None, None, None)


def test_responses_take_usage_and_tier_from_the_end(call_of: Make) -> None:
    """Given a stream of typed events, when read, then the last event's usage, tier and tools count."""
    events = [
        {
            "type": "response.created",
            "response": {"id": "resp_1", "model": "gpt-x", "service_tier": "auto", "usage": None},
        },
        {"type": "response.output_text.delta", "delta": "hello"},
        {"type": "response.function_call_arguments.delta", "delta": "{}"},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.done", "text": "hello"},
        {"type": "response.output_item.done", "item": {"type": "web_search_call", "action": {"type": "search"}}},
        {
            "type": "response.incomplete",
            "response": {
                "id": "resp_1",
                "model": "gpt-x-1",
                "service_tier": "flex",
                "usage": {"input_tokens": 5},
                "output": [
                    {"type": "web_search_call", "action": {"type": "search"}},
                    {"type": "web_search_call", "action": {"type": "open_page"}},
                    {"type": "file_search_call"},
                    {"type": "message"},
                ],
            },
        },
    ]
    reported = streamed(call_of(Dialect.OPENAI_RESPONSES), events)
    assert (reported.usage, reported.model, reported.service_tier) == ({"input_tokens": 5}, "gpt-x-1", "flex")
    assert reported.server_tools == {"web_search_call": 1, "web_search_call.open_page": 1, "file_search_call": 1}
    assert (reported.output_bytes, reported.finished) == (9, True)
    cut = streamed(call_of(Dialect.OPENAI_RESPONSES), events[:-1])
    assert (cut.usage, cut.finished, cut.server_tools) == (None, False, {"web_search_call": 1})


def test_responses_that_fail_say_so(call_of: Make) -> None:
    """Given a failed response or an error event, when read, then its code is known."""
    call = call_of(Dialect.OPENAI_RESPONSES)
    failed = {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}, "usage": None}}
    assert (streamed(call, [failed]).error_code, streamed(call, [failed]).finished) == ("server_error", True)
    assert (
        streamed(call, [{"type": "error", "code": "rate_limit_exceeded", "message": "x"}]).error_code
        == "rate_limit_exceeded"
    )


def test_whole_responses_count_text_and_tools(call_of: Make) -> None:
    """Given a response in one piece, when read, then its text is measured and the provider's tools are counted."""
    output = [
        {"type": "file_search_call"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}], "encrypted_content": "zzzz"},
        {"type": "message", "content": [{"type": "output_text", "text": "héé", "annotations": [{"url": "zzz"}]}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    reported = whole(
        call_of(Dialect.OPENAI_RESPONSES), {"id": "resp_1", "output": output, "usage": {"input_tokens": 1}}
    )
    assert (reported.output_bytes, reported.server_tools) == (2 + 5 + 2, {"file_search_call": 1})


def test_anthropic_merges_start_and_last_delta(call_of: Make) -> None:
    """Given input at the start and cumulative deltas, when read, then the last delta's fields win, nulls never."""
    start = {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 1, "service_tier": "priority"}
    events = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": start}},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hé"}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "abc"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "zzz"}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5, "input_tokens": 99}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9, "cache_read_input_tokens": None}},
        {"type": "message_stop"},
    ]
    reported = streamed(call_of(Dialect.ANTHROPIC_MESSAGES), events)
    assert reported.usage == {**start, "output_tokens": 9}
    assert reported.usage_first == start
    assert (reported.model, reported.response_id, reported.service_tier) == ("claude-x", "msg_1", "priority")
    assert (reported.output_bytes, reported.finished, reported.events) == (3 + 3 + 2, True, 9)
    cut = streamed(call_of(Dialect.ANTHROPIC_MESSAGES), events[:4])
    assert (cut.usage, cut.usage_first, cut.finished) == (start, None, False)


def test_anthropic_input_may_come_with_the_delta_alone(call_of: Make) -> None:
    """Given an upstream without usage at the start, when read, then the delta's is all of it."""
    events = [
        {"type": "message_start", "message": {"model": "claude-x"}},
        {"type": "message_delta", "usage": {"input_tokens": 4, "output_tokens": 2}},
    ]
    reported = streamed(call_of(Dialect.ANTHROPIC_MESSAGES), events)
    assert (reported.usage, reported.usage_first) == ({"input_tokens": 4, "output_tokens": 2}, None)


def test_anthropic_errors(call_of: Make) -> None:
    """Given an error event or body, when read, then its type is known."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
    call = call_of(Dialect.ANTHROPIC_MESSAGES)
    assert (streamed(call, [error]).error_code, whole(call, error, 529).error_code) == ("overloaded_error",) * 2
    assert not streamed(call, [error]).finished


def test_gemini_usage_is_cumulative(call_of: Make) -> None:
    """Given usage on every piece, as events or as one array in any cut, when read, then the last counts."""
    pieces = [
        {
            "candidates": [{"content": {"parts": [{"text": '[{"é\\'}, {"functionCall": {"args": {"a": "bc"}}}]}}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": n},
            "modelVersion": "gemini-x",
            "responseId": "r-1",
        }
        for n in (1, 6)
    ]
    pieces[-1]["candidates"][0]["finishReason"] = "STOP"
    call = call_of(Dialect.GEMINI_GENERATE)
    expected = streamed(call, list(pieces))
    assert expected.usage == {"promptTokenCount": 5, "candidatesTokenCount": 6}
    assert (expected.finished, expected.model, expected.events) == (True, "gemini-x", 2)
    assert expected.output_bytes == 2 * (6 + 2)
    array = json.dumps(pieces, indent=1).encode()
    for size in (1, 7, len(array)):
        reader = answer_reader(call, "application/json", 200, False)
        assert b"".join(reader.feed(array[i : i + size]) for i in range(0, len(array), size)) == array
        reader.finish()
        assert reader.reported == expected


def test_gemini_blocked_prompts_and_errors(call_of: Make) -> None:
    """Given a blocked prompt or an error, when read, then it is an end, and its status the code."""
    call = call_of(Dialect.GEMINI_GENERATE)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    assert (streamed(call, [blocked]).finished, streamed(call, [blocked]).usage) == (True, {"promptTokenCount": 3})
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}}
    assert whole(call, error, 429).error_code == "RESOURCE_EXHAUSTED"
    assert streamed(call, [error]).error_code == "RESOURCE_EXHAUSTED"


def test_embeddings(call_of: Make) -> None:
    """Given an answer of vectors, when read, then its usage and model are known."""
    body = {"object": "list", "data": [{"embedding": [0.5] * 50}], "model": "e-1", "usage": {"prompt_tokens": 2}}
    reported = whole(call_of(Dialect.OPENAI_EMBEDDINGS, stream=False), body)
    assert (reported.usage, reported.model, reported.finished) == ({"prompt_tokens": 2}, "e-1", True)


def test_an_explicit_zero_is_a_fact_and_a_missing_usage_is_none(call_of: Make) -> None:
    """Given zeros, an empty object, or nothing, when read, then each is told from the others."""
    call = call_of(Dialect.OPENAI_CHAT)
    assert whole(call, {"choices": [], "usage": {"prompt_tokens": 0}}).usage == {"prompt_tokens": 0}
    assert whole(call, {"choices": [], "usage": {}}).usage == {}
    assert whole(call, {"choices": []}).usage is None


def test_raw_and_foreign_answers_pass_unread(call_of: Make) -> None:
    """Given a raw call, or an answer that is neither JSON nor events, when it passes, then nothing is read."""
    for dialect, kind in ((Dialect.RAW, "application/json"), (Dialect.OPENAI_CHAT, "audio/mpeg"), (Dialect.FREE, None)):
        reader = answer_reader(call_of(dialect), kind, 200, True)
        data = b'{"usage":{"prompt_tokens":1}}'
        assert reader.feed(data) is data
        assert reader.finish() == b""
        assert (reader.reported.usage, reader.reported.finished) == (None, True)
