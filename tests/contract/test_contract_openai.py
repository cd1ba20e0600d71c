"""OpenAI's SDK through the gateway, changed by its base URL alone: what it parses, and what the ledger says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from ledger_rows import LedgerRows, check, check_free

MODEL = "gpt-4o-mini"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER, "strict": True}}
TOOL: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
ROW = {"provider": "openai", "requested_model": MODEL}


class Forecast(BaseModel):
    """A structured answer."""

    city: str
    celsius: int
    windy: bool


@pytest.fixture
def client(door: Any) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{door.url}/v1", api_key=door.api_key, default_headers=door.headers) as client:
        yield client


@pytest.fixture
async def async_client(door: Any) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{door.url}/v1", api_key=door.api_key, default_headers=door.headers) as client:
        yield client


@pytest.fixture
def chat(door: Any) -> dict[str, object]:
    """What the row of a chat call says."""
    return ROW | {"dialect": "openai_chat", "operation": "chat", "credential_mode": door.mode}


@pytest.fixture
def responses(door: Any) -> dict[str, object]:
    """What the row of a responses call says."""
    return ROW | {"dialect": "openai_responses", "operation": "chat", "credential_mode": door.mode}


def test_chat(client: OpenAI, chat: dict[str, object], ledger: LedgerRows) -> None:
    """Two choices, each with text, and their tokens in the row."""
    watch = ledger.watch()
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=2)
    assert [choice.index for choice in answer.choices if choice.message.content] == [0, 1]
    assert answer.usage is not None
    check(
        watch.one(),
        (answer.usage.prompt_tokens, answer.usage.completion_tokens),
        **chat,
        streaming=False,
        model=answer.model,
        provider_response_id=answer.id,
        provider_request_id=answer._request_id,
    )


@pytest.mark.parametrize("asked", [True, False])
def test_chat_stream(client: OpenAI, chat: dict[str, object], ledger: LedgerRows, asked: bool) -> None:
    """Chunks as the provider sends them; usage where the client asked, in the row in any case."""
    watch = ledger.watch()
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, **options))
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [chunk.choices == [] for chunk in chunks].count(True) == (1 if asked else 0)
    row = watch.one()
    seen = (usages[0].prompt_tokens, usages[0].completion_tokens) if asked else None
    assert len(usages) == (1 if asked else 0)
    check(row, seen or (row["input_tokens"], row["output_tokens"]), **chat, streaming=True)
    assert row["output_tokens"] >= 12


@pytest.mark.anyio
async def test_chat_async(async_client: AsyncOpenAI, chat: dict[str, object], ledger: LedgerRows) -> None:
    """The same without waiting, a whole answer and a stream."""
    watch = ledger.watch()
    whole = await async_client.chat.completions.create(model=MODEL, messages=HELLO)
    stream = await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    last = [chunk async for chunk in stream][-1]
    rows = watch.rows(2)
    for usage, row, streaming in ((whole.usage, rows[0], False), (last.usage, rows[1], True)):
        assert usage is not None
        check(row, (usage.prompt_tokens, usage.completion_tokens), **chat, streaming=streaming)


def test_chat_tools(client: OpenAI, chat: dict[str, object], ledger: LedgerRows) -> None:
    """A call of the client's function, whole and put together from a stream's pieces by the SDK's own helper."""
    watch = ledger.watch()
    asked: Any = {"model": MODEL, "messages": HELLO, "tools": [CHAT_TOOL], "tool_choice": "required"}
    whole = client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()
    for answer, row in zip((whole, streamed), watch.rows(2), strict=True):
        calls: Any = answer.choices[0].message.tool_calls
        assert (calls[0].function.name, calls[0].function.arguments) == ("weather", '{"city":"toll","days":1}')
        assert answer.usage is not None
        check(row, (answer.usage.prompt_tokens, answer.usage.completion_tokens), **chat)


def test_chat_structured(client: OpenAI, chat: dict[str, object], ledger: LedgerRows) -> None:
    """`.parse` gives an object of the client's class."""
    watch = ledger.watch()
    answer = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Forecast)
    assert answer.choices[0].message.parsed == Forecast(city="toll", celsius=1, windy=True)
    assert answer.usage is not None
    check(watch.one(), (answer.usage.prompt_tokens, answer.usage.completion_tokens), **chat)


def test_responses(client: OpenAI, responses: dict[str, object], ledger: LedgerRows) -> None:
    """A whole answer of the Responses API."""
    watch = ledger.watch()
    answer = client.responses.create(model=MODEL, input="Hello", instructions="Be brief")
    assert answer.output_text and answer.usage is not None
    tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
    check(watch.one(), tokens, **responses, streaming=False, provider_response_id=answer.id)


def test_responses_stream(client: OpenAI, responses: dict[str, object], ledger: LedgerRows) -> None:
    """Typed events to the completed one, whose usage the row has."""
    watch = ledger.watch()
    events: list[Any] = list(client.responses.create(model=MODEL, input="Hello", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    usage = events[-1].response.usage
    check(watch.one(), (usage.input_tokens, usage.output_tokens), **responses, streaming=True)


@pytest.mark.anyio
async def test_responses_async(async_client: AsyncOpenAI, responses: dict[str, object], ledger: LedgerRows) -> None:
    """A function call, without waiting, through the SDK's streaming helper."""
    watch = ledger.watch()
    async with async_client.responses.stream(
        model=MODEL, input="Hello", tools=[TOOL], tool_choice="required"
    ) as stream:
        answer: Any = await stream.get_final_response()
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city":"toll","days":1}')]
    check(watch.one(), (answer.usage.input_tokens, answer.usage.output_tokens), **responses, streaming=True)


def test_responses_structured(client: OpenAI, responses: dict[str, object], ledger: LedgerRows) -> None:
    """`.parse` of the Responses API."""
    watch = ledger.watch()
    answer = client.responses.parse(model=MODEL, input="Hello", text_format=Forecast)
    assert answer.output_parsed == Forecast(city="toll", celsius=1, windy=True)
    assert answer.usage is not None
    check(watch.one(), (answer.usage.input_tokens, answer.usage.output_tokens), **responses)


@pytest.mark.anyio
async def test_embeddings(client: OpenAI, async_client: AsyncOpenAI, door: Any, ledger: LedgerRows) -> None:
    """Vectors, which the SDK asks for in base64 and unpacks."""
    watch = ledger.watch()
    model = "text-embedding-3-small"
    answers = [
        client.embeddings.create(model=model, input=["a", "b"]),
        await async_client.embeddings.create(model=model, input="c", dimensions=8),
    ]
    assert [len(answer.data) for answer in answers] == [2, 1]
    assert all(isinstance(number, float) for answer in answers for number in answer.data[0].embedding)
    assert len(answers[1].data[0].embedding) == 8
    for answer, row in zip(answers, watch.rows(2), strict=True):
        check(
            row,
            (answer.usage.prompt_tokens, 0),
            provider="openai",
            dialect="openai_embeddings",
            operation="embeddings",
            credential_mode=door.mode,
            streaming=False,
        )


@pytest.mark.anyio
async def test_models(client: OpenAI, async_client: AsyncOpenAI, door: Any, ledger: LedgerRows) -> None:
    """The list and one of it: recorded, and free."""
    watch = ledger.watch()
    listed = [model.id for model in client.models.list()]
    one = await async_client.models.retrieve(MODEL)
    assert one.id == MODEL and MODEL in listed
    for row in watch.rows(2):
        check_free(row, provider="openai", operation="models", credential_mode=door.mode)


def test_cached_and_reasoning_tokens(client: OpenAI, door: Any, ledger: LedgerRows) -> None:
    """Parts of input and output stand apart in the row, and what was read from the cache is cheaper."""
    watch = ledger.watch()
    amounts = "input_tokens=1000; cached_tokens=600; output_tokens=50; reasoning_tokens=20"
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, extra_headers={"x-simulate": amounts})
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
    row = watch.one()
    assert answer.usage.prompt_tokens_details.cached_tokens == row["cache_read_tokens"] == 600
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (1000, 50, 20)
    assert row["cost_nano_usd"] == 400 * 150 + 600 * 75 + 50 * 600
    assert row["credential_mode"] == door.mode
