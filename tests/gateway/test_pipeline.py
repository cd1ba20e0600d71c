"""Several calls over one connection: each is walked, answered in order, and recorded on its own."""

from __future__ import annotations

import asyncio

from dialogue import chat, error_code, messages
from plain_http import Answer, Wire, written
from stack import Stack
from traces import marked, new_trace, rows_of


def test_calls_follow_one_another_on_a_connection(stack: Stack) -> None:
    """A refusal of what was read whole does not end it."""
    traces = [new_trace(), new_trace()]

    async def run() -> list[Answer]:
        async with Wire(stack.gateway_url) as wire:
            answers = []
            for request in (
                chat().written(stack.key, **marked(traces[0])),
                chat(model="not a model").written(stack.key),
                written("GET", "/nowhere", {}),
                messages(True).written(stack.key, **marked(traces[1])),
            ):
                assert await wire.send(request)
                answers.append(await wire.read())
            return answers

    answers = asyncio.run(run())
    assert [(answer.status, answer.ended) for answer in answers] == [
        (200, True),
        (400, True),
        (401, True),
        (200, True),
    ]
    assert error_code("openai", answers[2].json) == "unauthenticated"
    assert {row["outcome"] for row in rows_of(stack, traces).values()} == {"completed"}


def test_calls_sent_ahead_are_answered_in_their_order(stack: Stack) -> None:
    """Pipelined: the second waits for the first, and a client that leaves has left both."""
    traces = [new_trace() for _ in range(4)]
    slow, quick, left, never = (
        chat(True).written(stack.key, simulate="chunks=5; pace_ms=40", **marked(traces[0])),
        messages().written(stack.key, **marked(traces[1])),
        chat(True).written(stack.key, simulate="chunks=9; pace_ms=60", **marked(traces[2])),
        messages().written(stack.key, **marked(traces[3])),
    )

    async def run() -> bytes:
        got = b""
        async with Wire(stack.gateway_url) as wire:
            await wire.send(slow + quick)
            while b'"type":"message"' not in got:
                data = await wire.receive()
                assert data, "hung up"
                got += data
        async with Wire(stack.gateway_url) as wire:
            await wire.send(left + never)
            await wire.receive()
        return got

    got = asyncio.run(run())
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.index(b"data: [DONE]") < got.index(b'"type":"message"')
    rows = rows_of(stack, traces[:3])
    assert [rows[trace]["outcome"] for trace in traces[:3]] == ["completed", "completed", "client_gone"]
    assert traces[3] not in {row["trace_id"] for row in stack.calls()}
