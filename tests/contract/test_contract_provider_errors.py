"""Errors of providers: they reach the client unchanged, cost nothing, and are in the ledger once each."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

import raw_http
from ledger_rows import LedgerRows, Row, columns
from stack import Stack

ASKED = '"messages":[{"role":"user","content":"hi"}]'
REQUESTS = {
    "openai_chat": ("/v1/chat/completions", "authorization", '{"model":"gpt-4o-mini",' + ASKED + "}"),
    "openai_responses": ("/v1/responses", "authorization", '{"model":"gpt-4o-mini","input":"hi","stream":true}'),
    "openai_embeddings": ("/v1/embeddings", "authorization", '{"model":"text-embedding-3-small","input":"hi"}'),
    "anthropic_messages": (
        "/v1/messages",
        "x-api-key",
        '{"model":"claude-haiku-4-5-20251001","max_tokens":9,"stream":true,' + ASKED + "}",
    ),
    "gemini_generate": (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "x-goog-api-key",
        '{"contents":[{"parts":[{"text":"hi"}]}]}',
    ),
}
STATUSES = (400, 401, 403, 429, 500, 503)
OPENAI_ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}
ANTHROPIC_ERRORS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
}
GEMINI_ERRORS = {400: errors.ClientError, 401: errors.ClientError, 429: errors.ClientError, 500: errors.ServerError}
CHAT: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE: Any = {"model": "claude-haiku-4-5-20251001", "max_tokens": 9, "messages": CHAT["messages"]}


def check_failed(row: Row, status: int) -> None:
    """A row of a call that its provider refused."""
    expected = {
        "outcome": "provider_error",
        "status": status,
        "provider_status": status,
        "cost_nano_usd": 0,
        "price_status": "free",
        "usage_source": "none",
        "attempts": 1,
    }
    assert columns(row, expected) == expected


def simulated(status: int) -> dict[str, str]:
    return {"x-simulate": f"fault=status:{status}; retry_after=0.01"}


@pytest.mark.parametrize("dialect", REQUESTS)
def test_an_error_arrives_unchanged(stack: Stack, ledger: LedgerRows, dialect: str) -> None:
    """Status, body and `retry-after` are the provider's; the gateway neither retries nor charges."""
    target, place, body = REQUESTS[dialect]
    before = stack.billed()["received"]
    statuses = {}
    for status in STATUSES:
        fields = [("content-type", "application/json"), *simulated(status).items()]
        direct, relayed = (
            raw_http.send(url, target, [(place, prefix(place) + key), *fields], body.encode())
            for url, key in ((stack.simulator_url, "sk-simulated"), (stack.gateway_url, stack.key))
        )
        assert (relayed.status, relayed.body) == (direct.status, direct.body) == (status, direct.body)
        for name in ("content-type", "retry-after"):
            assert relayed.one(name) == direct.one(name)
        assert relayed.all_of("x-should-retry") == []
        statuses[relayed.one("x-tollhouse-request-id")] = status
    assert stack.billed()["received"] == before + 2 * len(STATUSES)
    for request_id, row in ledger.of_all(statuses).items():
        check_failed(row, statuses[request_id])
        assert row["dialect"] == dialect


def prefix(place: str) -> str:
    return "Bearer " if place == "authorization" else ""


@pytest.mark.parametrize("status", OPENAI_ERRORS)
def test_openai_raises_its_own_error(door: Any, ledger: LedgerRows, status: int) -> None:
    """The class of the status, with the provider's message; one call, one row."""
    watch = ledger.watch()
    with (
        openai.OpenAI(
            base_url=f"{door.url}/v1", api_key=door.api_key, default_headers=door.headers, max_retries=0
        ) as client,
        pytest.raises(OPENAI_ERRORS[status]) as caught,
    ):
        client.chat.completions.create(**CHAT, extra_headers=simulated(status))
    assert f"Simulated failure with status {status}." in caught.value.message
    row = watch.one()
    check_failed(row, status)
    assert row["credential_mode"] == door.mode


@pytest.mark.parametrize("status", ANTHROPIC_ERRORS)
def test_anthropic_raises_its_own_error(door: Any, ledger: LedgerRows, status: int) -> None:
    """The class of the status, with the provider's message; one call, one row."""
    watch = ledger.watch()
    with (
        anthropic.Anthropic(
            base_url=door.url, api_key=door.api_key, default_headers=door.headers, max_retries=0
        ) as client,
        pytest.raises(ANTHROPIC_ERRORS[status]) as caught,
    ):
        client.messages.create(**MESSAGE, extra_headers=simulated(status))
    assert f"Simulated failure with status {status}." in caught.value.message
    row = watch.one()
    check_failed(row, status)
    assert row["credential_mode"] == door.mode


@pytest.mark.parametrize("status", GEMINI_ERRORS)
def test_gemini_raises_its_own_error(door: Any, ledger: LedgerRows, status: int) -> None:
    """The class of the status, with the provider's message; one call, one row."""
    watch = ledger.watch()
    options = types.HttpOptions(base_url=door.url, headers=door.headers)
    asked = types.GenerateContentConfig(http_options=types.HttpOptions(headers=simulated(status)))
    with (
        genai.Client(api_key=door.api_key, http_options=options) as client,
        pytest.raises(GEMINI_ERRORS[status]) as caught,
    ):
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello", config=asked)
    assert (caught.value.code, caught.value.message) == (status, f"Simulated failure with status {status}.")
    row = watch.one()
    check_failed(row, status)
    assert row["credential_mode"] == door.mode


def test_retries_of_an_sdk_are_calls_of_their_own(stack: Stack, vault: Any, ledger: LedgerRows) -> None:
    """What the provider lets be retried the SDK retries, and the ledger has a row for each try."""
    watch = ledger.watch()
    with (
        openai.OpenAI(base_url=f"{vault.url}/v1", api_key=vault.api_key, max_retries=2) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.chat.completions.create(**CHAT, extra_headers=simulated(429))
    for row in watch.rows(3):
        check_failed(row, 429)
    counts = [dict(request["headers"])["x-stainless-retry-count"] for request in stack.provider_requests(3)]
    assert counts == ["0", "1", "2"]


def test_an_error_inside_a_stream_is_passed_and_recorded(vault: Any, ledger: LedgerRows) -> None:
    """The events before it were generated and are billed; the row says that it ended in an error."""
    watch = ledger.watch()
    with openai.OpenAI(base_url=f"{vault.url}/v1", api_key=vault.api_key, max_retries=0) as client:
        asked = {"x-simulate": "fault=stream_error:8; output_tokens=40"}
        stream = client.chat.completions.create(**CHAT, stream=True, extra_headers=asked)
        pieces = []
        with pytest.raises(openai.APIError) as caught:
            for chunk in stream:
                pieces.append(chunk.choices[0].delta.content or "")
    assert "The server had an error" in caught.value.message
    row = watch.one()
    assert (row["outcome"], row["status"], row["usage_source"]) == ("provider_error", 200, "partial")
    assert len("".join(pieces)) > 10 and row["output_tokens"] > 0 and row["cost_nano_usd"] > 0


def test_an_error_of_a_free_call_is_passed(stack: Stack, ledger: LedgerRows) -> None:
    """A model that is not there: the provider's own 404."""
    fields = [("authorization", f"Bearer {stack.key}")]
    answer = raw_http.send(stack.gateway_url, "/v1/models/no-such-model", fields, method="GET")
    assert (answer.status, json.loads(answer.body)["error"]["message"]) == (
        404,
        "The model 'no-such-model' does not exist",
    )
    check_failed(ledger.of(answer.one("x-tollhouse-request-id")), 404)
