"""Anthropic's SDK through the gateway, changed by its base URL alone: what it parses, and what the ledger says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic

from ledger_rows import LedgerRows, check, check_free

MODEL = "claude-haiku-4-5-20251001"
ASKED: Any = {"model": MODEL, "max_tokens": 2048, "messages": [{"role": "user", "content": "Hello"}]}
TOOL: Any = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.fixture
def client(door: Any) -> Iterator[Anthropic]:
    with Anthropic(base_url=door.url, api_key=door.api_key, default_headers=door.headers) as client:
        yield client


@pytest.fixture
async def async_client(door: Any) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=door.url, api_key=door.api_key, default_headers=door.headers) as client:
        yield client


@pytest.fixture
def expected(door: Any) -> dict[str, object]:
    """What the row of a call says."""
    return {
        "provider": "anthropic",
        "dialect": "anthropic_messages",
        "operation": "chat",
        "requested_model": MODEL,
        "credential_mode": door.mode,
    }


def tokens_of(usage: Any) -> tuple[int, int]:
    return usage.input_tokens, usage.output_tokens


def test_messages(client: Anthropic, expected: dict[str, object], ledger: LedgerRows) -> None:
    """A whole answer."""
    watch = ledger.watch()
    answer = client.messages.create(**ASKED)
    assert [block.type for block in answer.content] == ["text"] and answer.stop_reason == "end_turn"
    check(
        watch.one(),
        tokens_of(answer.usage),
        **expected,
        streaming=False,
        model=answer.model,
        provider_response_id=answer.id,
        provider_request_id=answer._request_id,
    )


def test_messages_stream(client: Anthropic, expected: dict[str, object], ledger: LedgerRows) -> None:
    """The SDK's helper puts the events together; the row has the final usage."""
    watch = ledger.watch()
    with client.messages.stream(**ASKED) as stream:
        text = "".join(stream.text_stream)
        answer: Any = stream.get_final_message()
    assert text and answer.content[0].text == text
    check(watch.one(), tokens_of(answer.usage), **expected, streaming=True)


@pytest.mark.anyio
async def test_messages_async(async_client: AsyncAnthropic, expected: dict[str, object], ledger: LedgerRows) -> None:
    """Without waiting: a whole answer, and the bare events of a stream."""
    watch = ledger.watch()
    whole = await async_client.messages.create(**ASKED)
    events: list[Any] = [event async for event in await async_client.messages.create(**ASKED, stream=True)]
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    output = next(event for event in events if event.type == "message_delta").usage.output_tokens
    rows = watch.rows(2)
    check(rows[0], tokens_of(whole.usage), **expected, streaming=False)
    check(rows[1], (events[0].message.usage.input_tokens, output), **expected, streaming=True)


@pytest.mark.parametrize("streaming", [False, True])
def test_thinking(client: Anthropic, expected: dict[str, object], ledger: LedgerRows, streaming: bool) -> None:
    """A signed thinking block before the text; thinking is output."""
    watch = ledger.watch()
    if streaming:
        with client.messages.stream(**ASKED, **THINKING) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(**ASKED, **THINKING)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking and answer.content[0].signature
    check(watch.one(), tokens_of(answer.usage), **expected, streaming=streaming)


@pytest.mark.parametrize("streaming", [False, True])
def test_tools(client: Anthropic, expected: dict[str, object], ledger: LedgerRows, streaming: bool) -> None:
    """A call of the client's tool, whole and from a stream's pieces of JSON."""
    watch = ledger.watch()
    asked = ASKED | {"tools": [TOOL], "tool_choice": {"type": "any"}}
    if streaming:
        with client.messages.stream(**asked) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    assert answer.stop_reason == "tool_use"
    assert [(block.name, block.input) for block in answer.content] == [("weather", {"city": "toll", "days": 1})]
    check(watch.one(), tokens_of(answer.usage), **expected, streaming=streaming)


def test_cached_tokens(client: Anthropic, door: Any, ledger: LedgerRows) -> None:
    """Reads and writes of the cache are not in `input_tokens` here, and each has its own rate."""
    watch = ledger.watch()
    amounts = (
        "input_tokens=1000; cached_tokens=500; cache_write_tokens=200; cache_write_1h_tokens=100; output_tokens=10"
    )
    with client.messages.stream(**ASKED, extra_headers={"x-simulate": amounts}) as stream:
        usage = stream.get_final_message().usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (200, 500, 300)
    row = watch.one()
    assert (row["input_tokens"], row["output_tokens"]) == (1000, 10)
    assert (row["cache_read_tokens"], row["cache_write_tokens"]) == (500, 300)
    assert row["cost_nano_usd"] == 200 * 1_000 + 500 * 100 + 200 * 1_250 + 100 * 2_000 + 10 * 5_000
    assert row["credential_mode"] == door.mode


@pytest.mark.anyio
async def test_count_tokens(client: Anthropic, async_client: AsyncAnthropic, door: Any, ledger: LedgerRows) -> None:
    """A count is recorded, and free."""
    watch = ledger.watch()
    asked: Any = {"model": MODEL, "messages": ASKED["messages"]}
    counts = [client.messages.count_tokens(**asked), await async_client.messages.count_tokens(**asked)]
    assert counts[0].input_tokens == counts[1].input_tokens > 0
    for row in watch.rows(2):
        check_free(
            row, provider="anthropic", operation="count_tokens", requested_model=MODEL, credential_mode=door.mode
        )


@pytest.mark.anyio
async def test_models(client: Anthropic, async_client: AsyncAnthropic, door: Any, ledger: LedgerRows) -> None:
    """The list and one of it, under the path that OpenAI has too."""
    watch = ledger.watch()
    listed = [model.id for model in client.models.list()]
    one = await async_client.models.retrieve(MODEL)
    assert one.id == MODEL and MODEL in listed
    for row in watch.rows(2):
        check_free(row, provider="anthropic", operation="models", credential_mode=door.mode)
