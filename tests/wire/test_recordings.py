"""Recorded answers of real providers, cut in every way: the same usage, the same bytes.

Every byte of every stream is a place of a cut. Short answers are cut in two at each; of long ones each byte is one of
several cuts that lie far enough apart for whole events to pass between them, so that the number of runs does not grow
with the answer. At full count (`make prove`) long ones too are cut in two at each byte.

The recordings are named by an environment variable; without it these tests run over generated answers, and the summary
says so.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from figures import FULL
from generated_recordings import GENERATED as ANSWERS_OF_PROVIDERS
from tollhouse.wire.call import Call, Dialect, Reported
from tollhouse.wire.dialects import answer_reader

SHORT_BYTES = 2_400
APART_BYTES = 499
"""From one cut of a long answer to the next in the same run: a few events, and no divisor of anything."""
RECORDED_STREAMS_MIN = 20
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


def answers() -> dict[str, dict[str, Any]]:
    """The generated answers, and every recorded one of a dialect that is read here."""
    found = {f"generated-{answer['dialect']}": answer for answer in GENERATED} | ANSWERS_OF_PROVIDERS
    folder = recordings_folder()
    for path in sorted(folder.glob("*.json")) if folder else []:
        answer = json.loads(path.read_text())
        if answer["dialect"] in DIALECTS and "base64" not in answer:
            found[path.stem] = answer
    return found


def recordings_folder() -> Path | None:
    """The folder of recorded answers, where one is named."""
    named = os.environ.get("TOLLHOUSE_RECORDINGS")
    return Path(named) if named and Path(named).is_dir() else None


ANSWERS = answers()
STREAMS = {name: answer for name, answer in ANSWERS.items() if answer["stream"]}


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
    """Each byte once, in as many runs as there are bytes or as cuts lie apart; and one run of every byte at once."""
    apart = size if FULL or size <= SHORT_BYTES else APART_BYTES
    yield from (list(range(first, size, apart)) for first in range(1, min(apart, size - 1) + 1))
    yield list(range(1, size))


def coarse_cuts(size: int) -> Iterator[list[int]]:
    """Pieces as networks make them, and places at random."""
    rng = random.Random(size)
    yield from ([rng.randrange(1, size)] for _ in range(10))
    yield from (sorted(rng.sample(range(1, size), min(40, size - 1))) for _ in range(5))
    yield from (list(range(step, size, step)) for step in (1, 61, 1460))


def read(call: Call, answer: dict[str, Any], places: list[int], *, strip: bool = False) -> tuple[bytes, Reported]:
    """What passes and what is reported when the answer is cut at these places."""
    data = text_of(answer)
    reader = answer_reader(call, answer.get("content_type"), answer.get("status", 200), strip)
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    passed = b"".join(reader.feed(piece) for piece in pieces)
    return passed + reader.finish(), reader.reported


def call_for(make: Callable[..., Call], answer: dict[str, Any]) -> Call:
    """The call that was answered."""
    request = (answer.get("request") or {}).get("body")
    choices = request.get("n") or 1 if isinstance(request, dict) else 1
    return make(Dialect(answer["dialect"]), stream=answer["stream"], choices=choices)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_usage_is_the_recorded_one_and_bytes_pass(call_of: Callable[..., Call], answer: dict[str, Any]) -> None:
    """Given a real answer, when it comes in pieces, then every byte passes and the recorded usage is reported.

    Anthropic's usage is the start's with the last delta over it; everywhere else it is the last one.
    """
    call, data = call_for(call_of, answer), text_of(answer)
    first = answer.get("usage_first") or {} if answer["dialect"] == "anthropic_messages" else {}
    expected = dict(numbers({**first, **(answer["usage"] or {})}))
    _, whole = read(call, answer, [])
    assert dict(numbers(whole.usage or {})) == expected
    assert whole.flags == ()
    for places in coarse_cuts(len(data)):
        assert read(call, answer, places) == (data, whole)


@pytest.mark.prove
@pytest.mark.parametrize("answer", STREAMS.values(), ids=list(STREAMS))
def test_every_byte_of_a_stream_may_be_a_cut(
    call_of: Callable[..., Call], answer: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    """Given a recorded stream, when cut at each of its bytes, then the same passes and the same is reported.

    Chat streams are read as those that usage was asked for by the gateway alone: their reader holds bytes back.
    """
    call, size = call_for(call_of, answer), len(text_of(answer))
    strip = answer["dialect"] == "openai_chat"
    whole = read(call, answer, [], strip=strip)
    cut: set[int] = set()
    for places in cuts(size):
        assert read(call, answer, places, strip=strip) == whole
        cut.update(places)
    assert cut == set(range(1, size))
    record_property("cut_bytes", len(cut))


def test_enough_recorded_streams_are_cut() -> None:
    """Given the recorded answers, when they are named, then at least twenty streams of them are cut at every byte."""
    recorded = [name for name in STREAMS if not name.startswith("generated-")]
    assert recordings_folder() is None or len(recorded) >= RECORDED_STREAMS_MIN
    assert {answer["dialect"] for answer in STREAMS.values()} >= {
        dialect.value for dialect in Dialect if dialect not in (Dialect.OPENAI_EMBEDDINGS, Dialect.FREE, Dialect.RAW)
    }


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_no_content_is_reported(call_of: Callable[..., Call], answer: dict[str, Any]) -> None:
    """Given a real answer, when read, then every string that is reported is a short word without spaces."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from strings(inner)

    _, reported = read(call_for(call_of, answer), answer, [])
    names = [reported.model, reported.response_id, reported.service_tier, reported.error_code]
    for word in [name for name in names if name is not None] + list(strings(reported.usage or {})):
        assert len(word) <= 200
        assert " " not in word
