"""Recorded answers of real providers, cut in every way: the same usage, the same bytes.

The recordings are named by an environment variable; without it these tests run over a generated answer per dialect,
and the summary says so.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tollhouse.wire.call import Call, Dialect, Reported
from tollhouse.wire.dialects import answer_reader

SHORT_BYTES = 1_200
DIALECTS = {dialect.value for dialect in Dialect}
GENERATED: list[dict[str, Any]] = [
    {
        "dialect": "openai_chat",
        "stream": True,
        "sse": 'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"h\u00e9"}}]}\r\n\r\n: k\r\n\r\n'
        'data: {"choices":[],"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":1}}}\n\n'
        "data: [DONE]\n\n",
        "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}},
    },
    {
        "dialect": "anthropic_messages",
        "stream": True,
        "sse": "event: message_start\n"
        'data: {"type":"message_start","message":{"usage":{"input_tokens":4,"output_tokens":1}}}'
        '\n\nevent: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":6}}\n\n',
        "usage": {"output_tokens": 6},
        "usage_first": {"input_tokens": 4, "output_tokens": 1},
    },
    {
        "dialect": "openai_responses",
        "stream": True,
        "sse": "event: response.completed\n"
        'data: {"type":"response.completed","response":{"usage":{"input_tokens":4}}}\n\n',
        "usage": {"input_tokens": 4},
    },
    {
        "dialect": "gemini_generate",
        "stream": True,
        "raw": '[{"usageMetadata":{"promptTokenCount":1}}\n,\r\n{"usageMetadata":{"promptTokenCount":2}}]',
        "usage": {"promptTokenCount": 2},
    },
    {
        "dialect": "openai_embeddings",
        "stream": False,
        "body": {"usage": {"prompt_tokens": 2}},
        "usage": {"prompt_tokens": 2},
    },
]


def recordings() -> list[Any]:
    """The generated answers, and every recorded one of a dialect that is read here."""
    found = [pytest.param(answer, id=f"generated-{answer['dialect']}") for answer in GENERATED]
    folder = os.environ.get("TOLLHOUSE_RECORDINGS")
    for path in sorted(Path(folder).glob("*.json")) if folder else []:
        answer = json.loads(path.read_text())
        if answer["dialect"] in DIALECTS and "base64" not in answer:
            found.append(pytest.param(answer, id=path.stem))
    return found


def text_of(answer: dict[str, Any]) -> bytes:
    """The bytes that the provider sent."""
    return (answer.get("sse") or answer.get("raw") or json.dumps(answer["body"])).encode()


def numbers(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Numeric leaves with their places."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, (*place, str(index)))
    elif isinstance(value, (int, float)):
        yield place, value


def cuts(size: int) -> Iterator[list[int]]:
    """Every single cut and one byte at a time for the short; many random ones and small steps for the long."""
    yield []
    if size <= SHORT_BYTES:
        yield from ([place] for place in range(1, size))
        yield list(range(1, size))
        return
    rng = random.Random(size)
    yield from ([rng.randrange(1, size)] for _ in range(15))
    yield from (sorted(rng.sample(range(1, size), 40)) for _ in range(5))
    yield from (list(range(step, size, step)) for step in (1, 61, 1460))


def read(call: Call, answer: dict[str, Any], places: list[int]) -> tuple[bytes, Reported]:
    """What passes and what is reported when the answer is cut at these places."""
    data = text_of(answer)
    reader = answer_reader(call, answer.get("content_type"), answer.get("status", 200), False)
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    passed = b"".join(reader.feed(piece) for piece in pieces)
    return passed + reader.finish(), reader.reported


@pytest.fixture
def call(call_of: Callable[..., Call], answer: dict[str, Any]) -> Call:
    """The call that was answered."""
    request = (answer.get("request") or {}).get("body")
    choices = request.get("n") or 1 if isinstance(request, dict) else 1
    return call_of(Dialect(answer["dialect"]), stream=answer["stream"], choices=choices)


@pytest.mark.parametrize("answer", recordings())
def test_usage_is_the_recorded_one_and_bytes_pass(call: Call, answer: dict[str, Any]) -> None:
    """Given a real answer, when cut anywhere, then every byte passes and the same usage is reported.

    Anthropic's usage is the start's with the last delta over it; everywhere else it is the last one.
    """
    data = text_of(answer)
    first = answer.get("usage_first") or {} if answer["dialect"] == "anthropic_messages" else {}
    expected = dict(numbers({**first, **(answer["usage"] or {})}))
    _, whole = read(call, answer, [])
    assert dict(numbers(whole.usage or {})) == expected
    assert whole.flags == ()
    for places in cuts(len(data)):
        passed, reported = read(call, answer, places)
        assert passed == data
        assert reported == whole


@pytest.mark.parametrize("answer", recordings())
def test_no_content_is_reported(call: Call, answer: dict[str, Any]) -> None:
    """Given a real answer, when read, then every string that is reported is a short word without spaces."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from strings(inner)

    _, reported = read(call, answer, [])
    names = [reported.model, reported.response_id, reported.service_tier, reported.error_code]
    for word in [name for name in names if name is not None] + list(strings(reported.usage or {})):
        assert len(word) <= 200
        assert " " not in word
