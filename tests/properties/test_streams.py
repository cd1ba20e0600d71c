"""Laws of streams, for every dialect: cuts change nothing, and the client's bytes are the provider's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.wire.call import Call, Dialect, Family, Operation, Reported, Route
from tollhouse.wire.dialects import answer_reader

EXAMPLES = 60
TEXT = st.text(max_size=12) | st.sampled_from(['"}]', "\\", "data: x\n\n", "é\u2028\r"])
COUNTS = st.integers(0, 2**53 - 1)


def chat(text: str, count: int) -> list[object]:
    """A chunk of text, one with usage beside it, and one of usage alone."""
    choice = {"index": 0, "delta": {"content": text}}
    usage = {"prompt_tokens": count, "completion_tokens": 1}
    return [{"choices": [choice]}, {"choices": [choice], "usage": usage}, {"choices": [], "usage": usage}]


def responses(text: str, count: int) -> list[object]:
    """Text, a tool, and an end."""
    response = {"id": "resp_1", "usage": {"input_tokens": count}}
    item = {"type": "file_search_call"}
    return [
        {"type": "response.output_text.delta", "delta": text},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": response},
    ]


def messages(text: str, count: int) -> list[object]:
    """A start, text, and a cumulative delta."""
    return [
        {"type": "message_start", "message": {"usage": {"input_tokens": count}}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
        {"type": "message_delta", "usage": {"output_tokens": count}},
    ]


def gemini(text: str, count: int) -> list[object]:
    """A piece with text and usage, and the last one."""
    piece = {"candidates": [{"content": {"parts": [{"text": text}]}}], "usageMetadata": {"promptTokenCount": count}}
    return [piece, {"candidates": [{"finishReason": "STOP"}]}]


AUTHORS = {
    Dialect.OPENAI_CHAT: chat,
    Dialect.OPENAI_RESPONSES: responses,
    Dialect.ANTHROPIC_MESSAGES: messages,
    Dialect.GEMINI_GENERATE: gemini,
}


@st.composite
def streams(draw: st.DrawFn, dialect: Dialect) -> bytes:
    """Events in any order and any spelling that the standard allows, or Gemini's array; perhaps broken off."""
    payloads = [piece for _ in range(draw(st.integers(1, 3))) for piece in AUTHORS[dialect](draw(TEXT), draw(COUNTS))]
    texts = [json.dumps(payload, ensure_ascii=draw(st.booleans())) for payload in draw(st.permutations(payloads))]
    if dialect is Dialect.GEMINI_GENERATE and draw(st.booleans()):
        stream = "[" + ",\r\n".join(texts) + "]"
    else:
        end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
        lead = draw(st.sampled_from(["", ": c" + 2 * end, "event: x" + end]))
        stream = "".join(f"{lead}data: {text}{2 * end}" for text in texts)
    encoded = stream.encode()
    return encoded[: draw(st.just(len(encoded)) | st.integers(1, len(encoded)))]


def read(dialect: Dialect, pieces: list[bytes], strip: bool) -> tuple[bytes, Reported]:
    """What passes and what is reported."""
    route = Route(family=Family.OPENAI, dialect=dialect, operation=Operation.CHAT, provider=None, upstream_path="/")
    reader = answer_reader(Call(route=route, model="m", stream=True, body=b"{}"), None, 200, strip)
    passed = b"".join(reader.feed(piece) for piece in pieces)
    return passed + reader.finish(), reader.reported


@pytest.mark.parametrize("dialect", list(AUTHORS))
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_cuts_change_nothing_and_every_byte_passes(dialect: Dialect, data: st.DataObject) -> None:
    """Given a stream of any dialect, when cut anywhere, then the same is reported, and the client has every byte."""
    stream = data.draw(streams(dialect))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=9).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = read(dialect, [stream], strip=False)
    assert whole[0] == stream
    assert read(dialect, pieces, strip=False) == whole
    assert read(dialect, [stream[place : place + 1] for place in range(len(stream))], strip=False) == whole


@pytest.mark.parametrize("dialect", list(AUTHORS))
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_only_chat_has_anything_to_strip_and_it_is_reported_all_the_same(dialect: Dialect, data: st.DataObject) -> None:
    """Given any stream, when usage that nobody asked for is taken out, then the report is the same, cut or not."""
    stream = data.draw(streams(dialect))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=9).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    passed, reported = read(dialect, [stream], strip=True)
    assert reported == read(dialect, [stream], strip=False)[1]
    assert read(dialect, pieces, strip=True) == (passed, reported)
    assert passed == stream or dialect is Dialect.OPENAI_CHAT
    assert b'"choices": [], "usage"' not in passed or not stream.endswith(b"\n")
