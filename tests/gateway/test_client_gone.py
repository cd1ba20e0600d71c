"""A client that leaves before its answer has begun: while it sends, while the provider is dialled, while it thinks."""

from __future__ import annotations

import asyncio

import msgspec

from dialogue import Ask, billed_nano_usd, chat, generate, key_header, messages, responses
from plain_http import Wire, written
from stack import Stack
from traces import bills_of, marked, new_trace, rows_of

STAYS_S = 0.3


async def leave(stack: Stack, request: bytes) -> None:
    """Sends, stays a moment, and hangs up without a word."""
    async with Wire(stack.gateway_url) as wire:
        await wire.send(request)
        await asyncio.sleep(STAYS_S)


def test_an_answer_nobody_waits_for_is_still_counted(stack: Stack) -> None:
    """The provider bills what it was asked; drained, the record has the true usage."""
    asks = [make(stream) for make in (chat, responses, messages, generate) for stream in (False, True)]
    calls = {new_trace(): ask for ask in asks}

    async def all_of_them() -> None:
        await asyncio.gather(
            *(
                leave(stack, ask.written(stack.key, simulate="latency_ms=900", **marked(trace)))
                for trace, ask in calls.items()
            )
        )

    asyncio.run(all_of_them())
    rows, bills = rows_of(stack, list(calls)), bills_of(stack, list(calls))
    for trace, ask in calls.items():
        row, bill = rows[trace], bills[trace]
        assert (row["outcome"], row["usage_source"], row["status"]) == ("client_gone", "reported", None), ask.path
        assert (row["input_tokens"], row["output_tokens"]) == (bill["input_tokens"], bill["output_tokens"])
        assert row["cost_nano_usd"] == billed_nano_usd(ask.family, bill)


def test_a_drain_has_an_end(stack: Stack) -> None:
    """A provider that does not answer in the time a drain has is given up: its ceiling, estimated."""
    traces = [new_trace(), new_trace()]

    async def both() -> None:
        await asyncio.gather(
            leave(stack, chat().written(stack.key, simulate="fault=stall_before", **marked(traces[0]))),
            leave(stack, messages(True).written(stack.key, simulate="fault=stall_mid:6", **marked(traces[1]))),
        )

    asyncio.run(both())
    rows = rows_of(stack, traces)
    assert {row["outcome"] for row in rows.values()} == {"client_gone"}
    unanswered, stalled = (rows[trace] for trace in traces)
    assert (unanswered["usage_source"], unanswered["cost_nano_usd"]) == ("estimated", unanswered["hold_nano_usd"])
    assert stalled["usage_source"] == "partial" and stalled["output_tokens"] > 0
    assert 4_000 <= unanswered["latency_ms"] < 6_000


def test_leaving_while_the_body_is_sent_reaches_no_provider(stack: Stack) -> None:
    """One record, without a provider, a cost or a status."""
    before = {row["call_id"] for row in stack.calls()}
    received = stack.billed()["received"]
    head = written("POST", "/v1/chat/completions", key_header("openai", stack.key) | {"content-length": "5000"})
    asyncio.run(leave(stack, head + b'{"model": "gpt-4o-mini", '))
    rows = stack.until(lambda: [row for row in stack.calls() if row["call_id"] not in before])
    assert [(row["outcome"], row["usage_source"], row["cost_nano_usd"]) for row in rows] == [("client_gone", "none", 0)]
    assert (rows[0]["provider"], rows[0]["status"], rows[0]["request_bytes"]) == (None, None, 25)
    assert stack.billed()["received"] == received


def test_leaving_while_the_provider_is_dialled_costs_nothing(stack: Stack) -> None:
    """Nothing was sent to anybody."""
    trace = new_trace()
    ask: Ask = msgspec.structs.replace(chat(), path="/providers/full/v1/chat/completions")
    own = {"x-tollhouse-key": stack.own_key} | marked(trace)
    asyncio.run(leave(stack, ask.written("sk-of-the-client", **own)))
    row = rows_of(stack, [trace])[trace]
    assert (row["outcome"], row["usage_source"], row["cost_nano_usd"]) == ("client_gone", "none", 0)


def test_leaving_after_the_answer_changes_nothing(stack: Stack) -> None:
    """An answer that was read to its end was completed, however rudely the connection ends."""
    trace = new_trace()

    async def run() -> None:
        async with Wire(stack.gateway_url) as wire:
            await wire.send(chat(True).written(stack.key, **marked(trace)))
            assert (await wire.read()).ended

    asyncio.run(run())
    assert rows_of(stack, [trace])[trace]["outcome"] == "completed"
