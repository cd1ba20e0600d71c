"""Each fault does on the wire what its name says."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Protocol

import httpx2
import msgspec
import openai
import pytest

from tollhouse.simulator.app import SimulatorApp

PATH = "/v1/chat/completions"
PLAIN = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
STREAM = PLAIN | {"stream": True, "stream_options": {"include_usage": True}}


class Heard(Protocol):
    data: bytes
    ending: str
    head: str
    body: bytes


Converse = Callable[..., Heard]


def _post(url: str, body: object, simulate: str, **headers: str) -> httpx2.Response:
    asked = {"Authorization": "Bearer k", "X-Simulate": simulate, **headers}
    return httpx2.post(url + PATH, json=body, headers=asked)


def _billed(app: SimulatorApp) -> list[tuple[int, bool]]:
    return [(bill.output_tokens, bill.finished) for bill in app.bills.billed(None)["bills"]]


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_status(url: str, app: SimulatorApp, body: object) -> None:
    """An error status in the dialect's shape with Retry-After, and no bill."""
    answer = _post(url, body, "fault=status:429; retry_after=7")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert _billed(app) == []


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_reset_before(converse: Converse, body: object) -> None:
    """The connection is reset without a byte."""
    heard = converse(PATH, body, "fault=reset_before")
    assert (heard.data, heard.ending) == (b"", "reset")


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_reset_head(converse: Converse, body: object) -> None:
    """The head arrives, then the connection is reset."""
    heard = converse(PATH, body, "fault=reset_head")
    assert heard.head.startswith("HTTP/1.1 200") and (heard.body, heard.ending) == (b"", "reset")


def test_reset_mid_and_eof_mid_in_a_stream(converse: Converse, app: SimulatorApp) -> None:
    """After N events the stream breaks off, rudely or quietly, never with the last chunk, and bills what was said."""
    asked = "chunks=10; output_tokens=100; fault="
    reset = converse(PATH, STREAM, asked + "reset_mid:4")
    closed = converse(PATH, STREAM, asked + "eof_mid:4")
    assert (reset.ending, closed.ending) == ("reset", "closed")
    for heard in (reset, closed):
        assert heard.body.count(b"data: ") == 4
        assert b"\r\n0\r\n\r\n" not in heard.body
    assert _billed(app) == [(30, False), (30, False)]


@pytest.mark.parametrize(
    ("fault", "ending"), [("reset_mid:2", "reset"), ("eof_mid:2", "closed"), ("stall_mid:2", "silent")]
)
def test_broken_in_the_middle_of_a_plain_answer(converse: Converse, app: SimulatorApp, fault: str, ending: str) -> None:
    """An answer that is not streamed breaks after N pieces of 64 bytes, and was billed in full."""
    heard = converse(PATH, PLAIN, f"output_tokens=9; fault={fault}")
    assert (len(heard.body), heard.ending) == (128, ending)
    assert _billed(app) == [(9, True)]


@pytest.mark.parametrize("fault", ["reset_mid:999", "eof_mid:999"])
@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_a_break_beyond_the_end_comes_at_the_end(converse: Converse, body: object, fault: str) -> None:
    """A break after more events than there are still comes: the answer is all there, but never ended."""
    heard = converse(PATH, body, f"fault={fault}")
    assert heard.ending == ("reset" if "reset" in fault else "closed")
    assert not heard.body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(("fault", "events"), [("stall_before", 0), ("stall_mid:3", 3)])
def test_stalls(converse: Converse, fault: str, events: int) -> None:
    """Nothing more comes, and the connection stays open."""
    heard = converse(PATH, STREAM, f"fault={fault}")
    assert (heard.body.count(b"data: "), heard.ending) == (events, "silent")
    assert bool(heard.data) == bool(events)


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_drip(url: str, body: object) -> None:
    """One byte at a time gives the same answer in the end."""
    dripped = _post(url, body, "fault=drip")
    assert dripped.content == httpx2.post(url + PATH, json=body, headers={"Authorization": "Bearer k"}).content


def test_drip_cuts_chunks_to_one_byte(converse: Converse) -> None:
    """On the wire each chunk of a dripping stream has one byte."""
    heard = converse(PATH, STREAM, "chunks=1; fault=drip", headers="Connection: close\r\n", wait_s=2)
    assert heard.ending == "closed"
    assert heard.body.startswith(b"1\r\nd\r\n1\r\na\r\n1\r\nt\r\n1\r\na\r\n")


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_garbage(url: str, body: object) -> None:
    """A 200 whose body is neither JSON nor UTF-8."""
    answer = _post(url, body, "fault=garbage")
    assert answer.status_code == 200
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(answer.content)


def test_garbage_mid(url: str) -> None:
    """One event is broken, the others are as they would have been."""
    events = _post(url, STREAM, "chunks=4; fault=garbage_mid:2").content.split(b"\n\n")
    clean = _post(url, STREAM, "chunks=4").content.split(b"\n\n")
    assert b"\x00\xff" in events.pop(2)
    assert events == clean
    plain = _post(url, PLAIN, "fault=garbage_mid:1").content
    assert plain[64:66] == b"\x00\xff"


def test_huge_line(url: str) -> None:
    """One event is a single line of at least that size, and still parses."""
    lines = _post(url, STREAM, "fault=huge_line:5000000").content.split(b"\n")
    longest = max(lines, key=len)
    assert len(longest) > 5_000_000
    assert len(msgspec.json.decode(longest.removeprefix(b"data: "))["choices"][0]["delta"]["content"]) == 5_000_000


PATHS = {
    PATH: STREAM,
    "/v1/responses": {"model": "gpt-5", "input": "x", "stream": True},
    "/v1/messages": {"model": "claude-x", "max_tokens": 99, "messages": [{"role": "user"}], "stream": True},
    "/v1beta/models/gemini-x:streamGenerateContent?alt=sse": {"contents": [{"parts": []}]},
}


def _stream(url: str, path: str, simulate: str) -> str:
    headers = {"Authorization": "Bearer k", "X-Simulate": simulate}
    return httpx2.post(url + path, json=PATHS[path], headers=headers).text


def _has_tokens(text: str) -> bool:
    return any(sign in text for sign in ('"total_tokens"', '"totalTokenCount"', '"output_tokens":40'))


@pytest.mark.parametrize("path", PATHS)
def test_missing_usage(url: str, path: str) -> None:
    """The amounts are nowhere in the stream, and are there without the fault."""
    assert _has_tokens(_stream(url, path, "output_tokens=40"))
    assert not _has_tokens(_stream(url, path, "output_tokens=40; fault=missing_usage"))


@pytest.mark.parametrize("path", PATHS)
def test_usage_twice(url: str, path: str) -> None:
    """The event with the final amounts comes twice in a row, all else once."""
    once, twice = _stream(url, path, "chunks=2"), _stream(url, path, "chunks=2; fault=usage_twice")
    separator = "\r\n\r\n" if "\r\n" in once else "\n\n"
    before, after = once.split(separator), twice.split(separator)
    (at,) = [index for index in range(1, len(after)) if after[index] == after[index - 1]]
    assert after[:at] + after[at + 1 :] == before
    assert "sage" in after[at]


@pytest.mark.parametrize("path", PATHS)
def test_stream_error(url: str, app: SimulatorApp, path: str) -> None:
    """After N events an error in the dialect's shape ends a stream that began with a 200."""
    text = _stream(url, path, "chunks=9; fault=stream_error:3")
    *events, error = [event for event in text.replace("\r", "").split("\n\n") if event]
    assert len(events) == 3
    assert "error" in msgspec.json.decode(error.partition("data: ")[2])
    assert [finished for _, finished in _billed(app)] == [False]


def test_the_sdk_raises_on_an_error_in_a_stream(url: str) -> None:
    """The official SDK takes the error event for what it is."""
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIError, match="server had an error"),
    ):
        list(client.chat.completions.create(**STREAM, extra_headers={"X-Simulate": "fault=stream_error:2"}))


@pytest.mark.parametrize("body", [PLAIN, STREAM])
def test_gzip_only_where_accepted(url: str, body: object) -> None:
    """With `accept-encoding: gzip` the body is compressed, each event as it comes; otherwise it is not."""
    plain = _post(url, body, "fault=gzip", **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    headers = {"Authorization": "Bearer k", "X-Simulate": "fault=gzip", "Accept-Encoding": "gzip"}
    with httpx2.stream("POST", url + PATH, json=body, headers=headers) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert zlib.decompress(raw, wbits=31) == plain.content


def test_wrong_length(converse: Converse) -> None:
    """Fewer bytes come than the head promised, then the connection closes."""
    heard = converse(PATH, PLAIN, "fault=wrong_length")
    promised = int(heard.head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    assert (promised - len(heard.body), heard.ending) == (100, "closed")


def test_latency_and_pace(url: str) -> None:
    """The head waits for `latency_ms`, and each further event for `pace_ms`."""
    begun = time.monotonic()
    headers = {"Authorization": "Bearer k", "X-Simulate": "latency_ms=60; pace_ms=15; chunks=6"}
    with httpx2.stream("POST", url + PATH, json=STREAM, headers=headers) as answer:
        headed = time.monotonic()
        answer.read()
    ended = time.monotonic()
    assert headed - begun >= 0.06
    assert ended - headed >= 8 * 0.015


def test_a_stream_whose_client_leaves_stops_billing(url: str, app: SimulatorApp) -> None:
    """What was generated until the client left is billed, and not much more; the input is billed from the start."""
    asked = "output_tokens=1000; chunks=1000; pace_ms=5; input_tokens=70"
    headers = {"Authorization": "Bearer k", "X-Simulate": asked}
    with httpx2.stream("POST", url + PATH, json=STREAM, headers=headers) as answer:
        lines = answer.iter_lines()
        for _ in range(12):
            next(lines)
    time.sleep(0.1)
    (first,) = _billed(app)
    time.sleep(0.1)
    assert _billed(app) == [first]
    output, finished = first
    assert 4 <= output < 100 and not finished
    assert app.bills.billed(None)["totals"].input_tokens == 70


def test_a_plain_answer_is_billed_though_its_client_left(converse: Converse, app: SimulatorApp) -> None:
    """An answer that was computed is billed in full, even if nobody waited for it."""
    heard = converse(PATH, PLAIN, "output_tokens=11; latency_ms=5000", wait_s=0.1)
    assert heard.data == b""
    assert _billed(app) == [(11, True)]
