"""Google's GenAI SDK through the gateway, changed by its base URL alone: what it parses, and what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from ledger_rows import LedgerRows, check, check_free

MODEL = "gemini-2.5-flash"
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={
                    "city": types.Schema(type=types.Type.STRING),
                    "days": types.Schema(type=types.Type.INTEGER),
                },
                required=["city", "days"],
            ),
        )
    ]
)
MUST_CALL = types.GenerateContentConfig(
    tools=[TOOL],
    tool_config=types.ToolConfig(
        function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    ),
)


class Forecast(BaseModel):
    """A structured answer."""

    city: str
    celsius: int


@pytest.fixture(params=[("vault", "v1beta"), ("passthrough", "v1beta"), ("passthrough", "v1")], ids="-".join)
def door(request: pytest.FixtureRequest) -> Any:
    """Into the demo workspace; of both API versions, which the address does not name."""
    mode, version = request.param
    return msgspec.structs.replace(request.getfixturevalue(mode), version=version)


@pytest.fixture
def client(door: Any) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=door.url, api_version=door.version, headers=door.headers)
    with genai.Client(api_key=door.api_key, http_options=options) as client:
        yield client


@pytest.fixture
def expected(door: Any) -> dict[str, object]:
    """What the row of a call says."""
    return {
        "provider": "gemini",
        "dialect": "gemini_generate",
        "operation": "generate_content",
        "requested_model": MODEL,
        "credential_mode": door.mode,
    }


def tokens_of(answer: Any) -> tuple[int, int]:
    """Thoughts are beside the candidates here, and output all the same."""
    usage = answer.usage_metadata
    return usage.prompt_token_count, usage.candidates_token_count + (usage.thoughts_token_count or 0)


def test_generate(client: genai.Client, expected: dict[str, object], ledger: LedgerRows) -> None:
    """A whole answer."""
    watch = ledger.watch()
    answer = client.models.generate_content(model=MODEL, contents="Hello")
    assert answer.text
    check(watch.one(), tokens_of(answer), **expected, streaming=False, provider_response_id=answer.response_id)


def test_generate_stream(client: genai.Client, expected: dict[str, object], ledger: LedgerRows) -> None:
    """Events whose usage grows; the last one counts."""
    watch = ledger.watch()
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert len(chunks) > 1 and "".join(chunk.text or "" for chunk in chunks)
    check(watch.one(), tokens_of(chunks[-1]), **expected, streaming=True)


@pytest.mark.anyio
async def test_generate_async(client: genai.Client, expected: dict[str, object], ledger: LedgerRows) -> None:
    """Without waiting: a whole answer and a stream."""
    watch = ledger.watch()
    async with client.aio as models_client:
        whole = await models_client.models.generate_content(model=MODEL, contents="Hello")
        stream = await models_client.models.generate_content_stream(model=MODEL, contents="Hello")
        last = [chunk async for chunk in stream][-1]
    rows = watch.rows(2)
    check(rows[0], tokens_of(whole), **expected, streaming=False)
    check(rows[1], tokens_of(last), **expected, streaming=True)


@pytest.mark.parametrize("streaming", [False, True])
def test_tools(client: genai.Client, expected: dict[str, object], ledger: LedgerRows, streaming: bool) -> None:
    """A call of the client's function."""
    watch = ledger.watch()
    asked: Any = {"model": MODEL, "contents": "Hello", "config": MUST_CALL}
    answers = (
        list(client.models.generate_content_stream(**asked)) if streaming else [client.models.generate_content(**asked)]
    )
    calls = [call for answer in answers for call in answer.function_calls or ()]
    assert [(call.name, call.args) for call in calls] == [("weather", {"city": "toll", "days": 1})]
    check(watch.one(), tokens_of(answers[-1]), **expected, streaming=streaming)


def test_structured(client: genai.Client, expected: dict[str, object], ledger: LedgerRows) -> None:
    """`.parsed` is an object of the client's class."""
    watch = ledger.watch()
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Forecast)
    answer = client.models.generate_content(model=MODEL, contents="Hello", config=config)
    assert answer.parsed == Forecast(city="toll", celsius=1)
    check(watch.one(), tokens_of(answer), **expected)


def test_thoughts_and_cached_tokens(client: genai.Client, expected: dict[str, object], ledger: LedgerRows) -> None:
    """Thoughts count as output; what was read from the cache is cheaper."""
    watch = ledger.watch()
    amounts = "input_tokens=1000; cached_tokens=600; output_tokens=50; reasoning_tokens=20"
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-simulate": amounts}))
    answer = client.models.generate_content(model=MODEL, contents="Hello", config=config)
    row = watch.one()
    assert tokens_of(answer) == (row["input_tokens"], row["output_tokens"]) == (1000, 50)
    assert (row["cache_read_tokens"], row["reasoning_tokens"]) == (600, 20)
    assert row["cost_nano_usd"] == 400 * 300 + 600 * 30 + 50 * 2_500
    assert row["credential_mode"] == expected["credential_mode"]


def test_count_tokens(client: genai.Client, door: Any, ledger: LedgerRows) -> None:
    """A count is recorded, and free."""
    watch = ledger.watch()
    count = client.models.count_tokens(model=MODEL, contents="Hello")
    assert (count.total_tokens or 0) > 0
    check_free(
        watch.one(),
        provider="gemini",
        operation="count_tokens",
        requested_model=MODEL,
        credential_mode=door.mode,
    )


def test_models(client: genai.Client, door: Any, ledger: LedgerRows) -> None:
    """The list and one of it, in /v1 under the path that three providers share."""
    watch = ledger.watch()
    listed = [model.name for model in client.models.list()]
    one = client.models.get(model=MODEL)
    assert one.name == f"models/{MODEL}" and one.name in listed
    for row in watch.rows(2):
        check_free(row, provider="gemini", operation="models", credential_mode=door.mode)
