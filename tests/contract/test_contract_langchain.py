"""LangChain's models through the gateway, changed by their base URL alone: what they parse, what the ledger says."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from ledger_rows import LedgerRows, check

GPT = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5-20251001"
WEATHER = {
    "name": "weather",
    "description": "Forecast for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def openai_model(door: Any) -> tuple[BaseChatModel, dict[str, object]]:
    # With another base URL than OpenAI's it does not ask for a stream's usage unless it is told to.
    model = ChatOpenAI(
        model=GPT,
        base_url=f"{door.url}/v1",
        api_key=door.api_key,
        default_headers=door.headers,
        stream_usage=True,
    )
    return model, {"provider": "openai", "dialect": "openai_chat", "requested_model": GPT}


def anthropic_model(door: Any) -> tuple[BaseChatModel, dict[str, object]]:
    model = ChatAnthropic(model=CLAUDE, base_url=door.url, api_key=door.api_key, default_headers=door.headers)
    return model, {"provider": "anthropic", "dialect": "anthropic_messages", "requested_model": CLAUDE}


@pytest.fixture(params=[openai_model, anthropic_model])
def chat(request: pytest.FixtureRequest, door: Any) -> tuple[BaseChatModel, dict[str, object]]:
    """A chat model, and what the row of its call says."""
    model, expected = request.param(door)
    return model, expected | {"operation": "chat", "credential_mode": door.mode}


def tokens_of(message: BaseMessage) -> tuple[int, int]:
    usage: Any = message.usage_metadata  # type: ignore[attr-defined]
    return usage["input_tokens"], usage["output_tokens"]


def test_invoke(chat: tuple[BaseChatModel, dict[str, object]], ledger: LedgerRows) -> None:
    """A whole answer with its usage."""
    model, expected = chat
    watch = ledger.watch()
    answer = model.invoke("Hello")
    assert answer.text
    check(watch.one(), tokens_of(answer), **expected, streaming=False)


def test_stream(chat: tuple[BaseChatModel, dict[str, object]], ledger: LedgerRows) -> None:
    """Pieces that add up to an answer with its usage."""
    model, expected = chat
    watch = ledger.watch()
    pieces: list[Any] = list(model.stream("Hello"))
    answer = pieces[0]
    for piece in pieces[1:]:
        answer += piece
    assert len(pieces) > 2 and answer.text
    check(watch.one(), tokens_of(answer), **expected, streaming=True)


def test_tools(chat: tuple[BaseChatModel, dict[str, object]], ledger: LedgerRows) -> None:
    """A call of the client's tool."""
    model, expected = chat
    watch = ledger.watch()
    answer: Any = model.bind_tools([WEATHER], tool_choice="any").invoke("Hello")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "toll"})]
    check(watch.one(), tokens_of(answer), **expected, streaming=False)


@pytest.mark.anyio
async def test_stream_async_that_does_not_ask_for_usage(vault: Any, ledger: LedgerRows) -> None:
    """As it is by default: LangChain sees no usage, and the ledger has it all the same."""
    model = ChatOpenAI(model=GPT, base_url=f"{vault.url}/v1", api_key=vault.api_key)
    watch = ledger.watch()
    pieces: list[Any] = [piece async for piece in model.astream("Hello")]
    assert len(pieces) > 2 and "".join(piece.text for piece in pieces)
    assert [piece for piece in pieces if piece.usage_metadata] == []
    row = watch.one()
    check(row, (row["input_tokens"], row["output_tokens"]), dialect="openai_chat", requested_model=GPT, streaming=True)
    assert row["output_tokens"] >= 12


def test_embeddings(door: Any, ledger: LedgerRows) -> None:
    """Vectors of texts, which are sent as they are."""
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=f"{door.url}/v1",
        api_key=door.api_key,
        default_headers=door.headers,
        check_embedding_ctx_length=False,
    )
    watch = ledger.watch()
    vectors = embeddings.embed_documents(["a", "b"])
    assert len(vectors) == 2 and all(vectors)
    row = watch.one()
    assert (row["dialect"], row["credential_mode"], row["usage_source"]) == ("openai_embeddings", door.mode, "reported")
    assert row["cost_nano_usd"] == row["input_tokens"] * 20
