"""A client that leaves a stream after its n-th event, for every n of streams of every dialect: the call is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest

from dialogue import Ask, billed_nano_usd, chat, generate, messages, responses, tool_of
from plain_http import Answer, exchange
from stack import Stack
from traces import bills_of, marked, new_trace, rows_of

USAGE = {"include_usage": True}
WORDS = "chunks=6; output_tokens=30"
TOOL = "tool=true; output_tokens=30"
THOUGHTS = "chunks=4; output_tokens=40; reasoning_tokens=15"
THINKING = {"type": "enabled", "budget_tokens": 256}

STREAMS: dict[str, tuple[Ask, str]] = {
    "chat": (chat(True), WORDS),
    "chat, usage asked": (chat(True, stream_options=USAGE), WORDS),
    "chat, two choices": (chat(True, n=2, stream_options=USAGE), WORDS),
    "chat, tool": (chat(True, tools=tool_of("openai")), TOOL),
    "chat, reasoning": (chat(True, stream_options=USAGE), THOUGHTS),
    "responses": (responses(True), WORDS),
    "responses, tool": (responses(True, tools=[{"type": "function", "name": "weather", "parameters": {}}]), TOOL),
    "messages": (messages(True), WORDS),
    "messages, tool": (messages(True, tools=tool_of("anthropic")), TOOL),
    "messages, thinking": (messages(True, thinking=THINKING), THOUGHTS),
    "generate": (generate(True), WORDS),
    "generate, array": (generate(True, array=True), WORDS),
    "generate, thoughts": (generate(True), THOUGHTS),
}
CANCELLED = ("chat", "chat, usage asked", "responses", "messages", "generate", "generate, array")
PACE_MS = 40
CANCEL_PACE_MS = 80


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, left after so many events; 0: after the head."""

    name: str
    after: int
    last: int
    """The number of events that the whole stream has."""
    trace: str

    @property
    def family(self) -> str:
        return STREAMS[self.name][0].family


def events_in(name: str, body: bytes | bytearray) -> int:
    """Complete events; of an array, elements that have begun."""
    if name == "generate, array":
        return body.count(b'"candidates"')
    return body.count(b"\n\n") + body.count(b"\r\n\r\n")


async def relay(stack: Stack, name: str, trace: str, pace_ms: int, after: int | None) -> Answer:
    """One stream; `after` None: to its end."""
    ask, simulate = STREAMS[name]
    request = ask.written(stack.key, simulate=f"{simulate}; pace_ms={pace_ms}", **marked(trace))
    return await exchange(
        stack.gateway_url, request, None if after is None else lambda answer: events_in(name, answer.body) >= after
    )


async def lengths(stack: Stack) -> dict[str, int]:
    """How many events each stream has, from whole runs."""
    answers = await asyncio.gather(*(relay(stack, name, new_trace(), 0, None) for name in STREAMS))
    assert all(answer.status == 200 and answer.ended for answer in answers)
    assert sum(events_in(name, answer.body) for name, answer in zip(STREAMS, answers, strict=True)) > 8 * len(STREAMS)
    return {name: events_in(name, answer.body) for name, answer in zip(STREAMS, answers, strict=True)}


async def cut(stack: Stack, cuts: list[Cut], pace_ms: int) -> None:
    """Runs all of them at once."""
    await asyncio.gather(*(relay(stack, one.name, one.trace, pace_ms, one.after) for one in cuts))


def cuts_of(found: dict[str, int], names: tuple[str, ...]) -> list[Cut]:
    """Every place of every stream."""
    return [
        Cut(name=name, after=after, last=found[name], trace=new_trace())
        for name in names
        for after in range(found[name] + 1)
    ]


@contextmanager
def on_client_gone(stack: Stack, choice: str) -> Iterator[None]:
    """The demo workspace's setting, as a new version of its row; the gateway has taken it up when this is entered."""
    before = set_choice(stack, choice)
    try:
        yield
    finally:
        set_choice(stack, before)


def set_choice(stack: Stack, choice: str) -> str:
    """Returns what it was."""
    with psycopg.connect(stack.owner_url()) as connection:
        ended = connection.execute(
            "UPDATE th.workspaces SET valid_to = now() WHERE valid_to IS NULL AND name = 'demo'"
            " RETURNING tenant_id, on_client_gone"
        ).fetchone()
        assert ended is not None
        connection.execute(
            "INSERT INTO th.workspaces (tenant_id, name, on_client_gone) VALUES (%s, 'demo', %s)", (ended[0], choice)
        )
    with psycopg.connect(stack.owner_url()) as connection:
        version = connection.execute("SELECT version FROM th.configuration_version").fetchone()
    assert version is not None

    def is_known() -> bool:
        trace = new_trace()
        answer = asyncio.run(exchange(stack.gateway_url, chat().written(stack.key, **marked(trace))))
        assert answer.status == 200
        return bool(rows_of(stack, [trace])[trace]["snapshot_version"] >= version[0])

    stack.until(is_known)
    return str(ended[1])


def test_by_default_the_rest_is_read_and_the_usage_is_the_true_one(stack: Stack) -> None:
    """Drained: one record for every cut, with the provider's own count, priced as it was billed."""
    cuts = cuts_of(asyncio.run(lengths(stack)), tuple(STREAMS))
    asyncio.run(cut(stack, cuts, PACE_MS))
    rows, bills = (found(stack, [one.trace for one in cuts]) for found in (rows_of, bills_of))
    for one in cuts:
        row, bill = rows[one.trace], bills[one.trace]
        assert bill["finished"], f"{one} was not read to its end"
        # A client that is slow to leave may find that all was written already.
        written = row["latency_ms"] >= PACE_MS * (one.last - 2)
        assert row["outcome"] in (("client_gone", "completed") if written else ("client_gone",)), one
        assert row["usage_source"] == "reported", one
        assert (row["input_tokens"], row["output_tokens"]) == (bill["input_tokens"], bill["output_tokens"]), one
        assert row["cost_nano_usd"] == billed_nano_usd(one.family, bill), one
    gone = [one for one in cuts if rows[one.trace]["outcome"] == "client_gone"]
    assert len(gone) >= len(cuts) * 3 // 4 and {one.name for one in gone} == set(STREAMS)


def test_where_the_workspace_says_so_the_provider_is_cut_off(stack: Stack) -> None:
    """Cancelled: the provider soon stops, and what was delivered is on record, never zero by silence."""
    found = asyncio.run(lengths(stack))
    cuts = [one for one in cuts_of(found, CANCELLED) if one.after < one.last - 4]
    assert {one.name for one in cuts} == set(CANCELLED)
    with on_client_gone(stack, "cancel"):
        asyncio.run(cut(stack, cuts, CANCEL_PACE_MS))
        rows, bills = (found(stack, [one.trace for one in cuts]) for found in (rows_of, bills_of))
    for one in cuts:
        row = rows[one.trace]
        assert row["outcome"] == "client_gone", one
        assert row["usage_source"] in (("partial",) if one.after else ("partial", "estimated")), one
        assert row["input_tokens"] > 0 and row["cost_nano_usd"] > 0, one
        assert not bills[one.trace]["finished"], f"{one} was read on"
    assert_grows(cuts, rows)


def assert_grows(cuts: list[Cut], rows: dict[str, dict[str, Any]]) -> None:
    """What is delivered later in a stream is counted too."""
    for name in CANCELLED:
        counted = [rows[one.trace]["output_tokens"] for one in cuts if one.name == name and one.after]
        assert counted == sorted(counted) and counted[-1] > 0, (name, counted)


@pytest.mark.parametrize("choice", ["drain", "cancel"])
def test_a_whole_stream_is_not_touched_by_the_setting(stack: Stack, choice: str) -> None:
    """Clients that stay get all of it, with reported usage."""
    with on_client_gone(stack, choice):
        traces = {name: new_trace() for name in STREAMS}

        async def whole() -> list[Answer]:
            return await asyncio.gather(*(relay(stack, name, traces[name], 0, None) for name in STREAMS))

        answers = asyncio.run(whole())
        rows = rows_of(stack, list(traces.values()))
    assert all(answer.ended for answer in answers)
    assert {(row["outcome"], row["usage_source"]) for row in rows.values()} == {("completed", "reported")}
