"""Readers pass bytes unchanged, strip only what was asked for, and find out for themselves what they look at."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.wire.call import Call, Dialect, Family, Operation, Reported, Route
from tollhouse.wire.dialects import answer_reader, observing

USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
CHUNK = {"id": "chatcmpl-1", "model": "gpt-x", "choices": [{"index": 0, "delta": {"content": "hé"}}], "usage": None}
LAST = {"id": "chatcmpl-1", "model": "gpt-x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
ONLY_USAGE = {"id": "chatcmpl-1", "model": "gpt-x", "choices": [], "usage": USAGE}
FILTER = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}


def event(payload: object, end: str = "\n") -> bytes:
    """One event as a provider sends it."""
    return f"data: {json.dumps(payload)}{end}{end}".encode()


def read(
    call: Call, pieces: list[bytes], *, strip: bool = False, content_type: str = "text/event-stream"
) -> tuple[bytes, Reported]:
    """What passes, and what was reported."""
    reader = answer_reader(call, content_type, 200, strip)
    passed = b"".join(reader.feed(piece) for piece in pieces) + reader.finish()
    return passed, reader.reported


def bytewise(data: bytes) -> list[bytes]:
    """Cut at every byte."""
    return [data[i : i + 1] for i in range(len(data))]


@pytest.fixture
def chat(call_of: Callable[..., Call]) -> Call:
    """A streamed chat call."""
    return call_of(Dialect.OPENAI_CHAT)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_usage_chunk_is_stripped(chat: Call, end: str) -> None:
    """Given a stream whose usage only we asked for, when relayed, then just that chunk is missing, in any cut."""
    before = b": hello" + 2 * end.encode() + event(FILTER, end) + event(CHUNK, end) + event(LAST, end)
    after = b"data: [DONE]" + 2 * end.encode()
    stream = before + event(ONLY_USAGE, end) + after
    for pieces in ([stream], bytewise(stream), [before, event(ONLY_USAGE, end), after], [stream[:150], stream[150:]]):
        passed, reported = read(chat, pieces, strip=True)
        assert passed == before + after
        assert (reported.usage, reported.finished, reported.output_bytes) == (USAGE, True, 3)


def test_usage_on_a_chunk_with_choices_is_left_alone(chat: Call) -> None:
    """Given usage beside choices, when stripping, then the chunk passes: the client needs it."""
    stream = event(CHUNK) + event({**LAST, "usage": USAGE}) + b"data: [DONE]\n\n"
    assert read(chat, [stream], strip=True)[0] == stream


def test_whole_events_pass_as_the_same_object(chat: Call) -> None:
    """Given chunks that are whole events, when there is nothing to strip, then the very same object comes back."""
    for strip in (False, True):
        reader = answer_reader(chat, "text/event-stream", 200, strip)
        for piece in (event(CHUNK), event(CHUNK) * 3, b": c\n\n", event(LAST)):
            assert reader.feed(piece) is piece


def test_what_is_held_back_is_bounded(chat: Call) -> None:
    """Given an event larger than any usage chunk, when stripping, then it is not withheld, and stays whole."""
    big = event({"choices": [{"delta": {"content": "x" * 100_000}}]})
    reader = answer_reader(chat, "text/event-stream", 200, True)
    passed, fed = 0, 0
    for piece in (big[i : i + 1000] for i in range(0, len(big), 1000)):
        fed += len(piece)
        passed += len(reader.feed(piece))
        assert fed - passed <= observing.HELD_BYTES_MAX
    tail = event(ONLY_USAGE)
    assert reader.feed(tail[:5]) + reader.feed(tail[5:]) == b""
    assert (reader.reported.output_bytes, reader.reported.usage) == (100_000, USAGE)


def test_a_stream_that_breaks_off_gives_back_what_was_held(chat: Call) -> None:
    """Given half an event, when the body ends, then the client gets those bytes."""
    stream = event(CHUNK) + event(CHUNK)[:40]
    passed, reported = read(chat, bytewise(stream), strip=True)
    assert passed == stream
    assert not reported.finished


PIECES = st.lists(
    st.sampled_from(
        [
            event(CHUNK),
            event(LAST),
            event(ONLY_USAGE),
            event(FILTER),
            b": c\n\n",
            b"data: [DONE]\r\n\r\n",
            b"junk\n",
            b"\n",
        ]
    ),
    max_size=8,
).map(b"".join)
ROUTE = Route(
    family=Family.OPENAI, dialect=Dialect.OPENAI_CHAT, operation=Operation.CHAT, provider=None, upstream_path="/"
)


@given(stream=PIECES, cuts=st.lists(st.integers(0, 900), max_size=8))
def test_cuts_change_nothing(stream: bytes, cuts: list[int]) -> None:
    """Given any stream, when cut anywhere, then the same passes and the same is reported; unstripped, all passes."""
    call = Call(route=ROUTE, model="m", stream=True, body=b"{}")
    places = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert read(call, pieces, strip=True) == read(call, [stream], strip=True)
    assert read(call, pieces) == (stream, read(call, [stream])[1])


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream; charset=utf-8", "text/plain", ""])
def test_the_body_tells_what_it_is(chat: Call, content_type: str) -> None:
    """Given a content type that may be wrong, when read, then events and whole answers are told apart by themselves."""
    assert read(chat, [event({**LAST, "usage": USAGE})], content_type=content_type)[1].usage == USAGE
    whole = b" \n\n" + json.dumps({"model": "gpt-x", "choices": [], "usage": USAGE}).encode()
    for pieces in ([whole], bytewise(whole)):
        for strip in (False, True):
            assert read(chat, pieces, strip=strip, content_type=content_type)[0] == whole
            assert read(chat, pieces, strip=strip, content_type=content_type)[1].usage == USAGE


def test_leading_blank_lines_pass_once(chat: Call) -> None:
    """Given blank lines before the first event, when relayed in any cut, then they pass once."""
    stream = b"\r\n \n\n" + event(CHUNK)
    for strip in (False, True):
        for pieces in ([stream], bytewise(stream)):
            assert read(chat, pieces, strip=strip)[0] == stream
            assert read(chat, bytewise(b"\n \n"), strip=strip)[0] == b"\n \n"


def test_an_answer_too_long_passes_unread(chat: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an answer beyond the bound, when it passes, then every byte does, and it is noted."""
    monkeypatch.setattr(observing, "WHOLE_BYTES_MAX", 100)
    whole = json.dumps({"choices": [], "usage": USAGE, "pad": "x" * 200}).encode()
    passed, reported = read(chat, bytewise(whole))
    assert passed == whole
    assert (reported.usage, reported.flags, reported.finished) == (None, ("answer_too_long",), False)


@pytest.mark.parametrize("dialect", list(Dialect))
@given(noise=st.binary(max_size=120) | st.text('{}[]":,ndatchoiesugrl \n', max_size=120).map(str.encode))
def test_noise_passes_and_never_raises(dialect: Dialect, noise: bytes) -> None:
    """Given any bytes for an answer, when read, then they pass and nothing is raised."""
    route = Route(family=Family.OPENAI, dialect=dialect, operation=Operation.CHAT, provider=None, upstream_path="/")
    call = Call(route=route, model="m", stream=True, body=b"")
    assert read(call, [noise])[0] == noise
    assert read(call, [b"data: " + noise + b"\n\n"])[0] == b"data: " + noise + b"\n\n"


SHAPED = [
    *("choices", "usage", "delta", "message", "content", "error", "model", "id", "type", "item", "response", "output"),
    *("candidates", "parts", "usageMetadata", "promptFeedback", "x_groq", "tool_calls", "function", "code", "action"),
]


@pytest.mark.parametrize("dialect", list(Dialect))
@settings(max_examples=50)
@given(
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=3) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(SHAPED),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_shape_is_read_without_raising(dialect: Dialect, value: object) -> None:
    """Given the right words in the wrong places, when read as event or answer, then nothing is raised."""
    route = Route(family=Family.OPENAI, dialect=dialect, operation=Operation.CHAT, provider=None, upstream_path="/")
    call = Call(route=route, model="m", stream=True, body=b"")
    kinds = (
        "message_start",
        "message_delta",
        "content_block_delta",
        "error",
        "response.completed",
        "response.output_item.done",
    )
    for kind in (None, *kinds):
        shaped = {**value, "type": kind} if isinstance(value, dict) and kind else value
        assert read(call, [event(shaped)])[0] == event(shaped)
        body = json.dumps(shaped).encode()
        assert read(call, [body], content_type="application/json")[0] == body
