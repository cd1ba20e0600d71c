"""Our own refusals, as SDKs see them: their typed errors, with our message and code, and no retry."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import errors, types

from ledger_rows import LedgerRows, columns
from stack import Stack

CHAT: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE: Any = {"model": "claude-haiku-4-5-20251001", "max_tokens": 9, "messages": CHAT["messages"]}


class Said(msgspec.Struct, frozen=True):
    """What an SDK's error tells."""

    status: int
    code: str
    kind: str
    message: str


def ask_openai(url: str, key: str, **body: Any) -> Said:
    """Through OpenAI's SDK with its own number of retries."""
    with openai.OpenAI(base_url=url, api_key=key) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**CHAT, **body)
    error = caught.value
    assert (
        type(error)
        is {
            400: openai.BadRequestError,
            401: openai.AuthenticationError,
            404: openai.NotFoundError,
        }[error.status_code]
    )
    assert error.response.headers["x-should-retry"] == "false"
    return Said(error.status_code, str(error.code), str(error.type), error.message)


def ask_anthropic(url: str, key: str, **body: Any) -> Said:
    """Through Anthropic's SDK with its own number of retries."""
    with anthropic.Anthropic(base_url=url, api_key=key) as client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**MESSAGE, **body)
    error: Any = caught.value
    assert (
        type(error)
        is {
            400: anthropic.BadRequestError,
            401: anthropic.AuthenticationError,
            404: anthropic.NotFoundError,
        }[error.status_code]
    )
    assert error.response.headers["x-should-retry"] == "false"
    detail = error.body["error"]
    assert error.body["request_id"] == error.response.headers["x-tollhouse-request-id"]
    return Said(error.status_code, detail["code"], detail["type"], detail["message"])


def ask_gemini(url: str, key: str) -> Said:
    """Through Google's SDK."""
    options = types.HttpOptions(base_url=url)
    with genai.Client(api_key=key, http_options=options) as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    error: Any = caught.value
    return Said(error.code, error.details["error"]["details"][0]["reason"], error.status, error.message)


Ask = Callable[..., Said]

NEAR_MISSES = {
    "openai without v1": (ask_openai, "", "not_found_error", "followed by /v1"),
    "openai with v1 twice": (ask_openai, "/v1/v1", "not_found_error", "followed by /v1"),
    "anthropic with v1": (ask_anthropic, "/v1", "not_found_error", "address alone, without /v1"),
    "gemini with v1beta": (ask_gemini, "/v1beta", "NOT_FOUND", "address alone, without a version"),
}
UNAUTHENTICATED = {
    ask_openai: ("/v1", "authentication_error"),
    ask_anthropic: ("", "authentication_error"),
    ask_gemini: ("", "UNAUTHENTICATED"),
}


def refusals(stack: Stack, code: str) -> float:
    """How many refusals of this code the gateway has counted."""
    with urllib.request.urlopen(f"{stack.gateway_url}/metrics") as answer:
        text = answer.read().decode()
    return sum(
        float(value)
        for value in re.findall(rf'^tollhouse_refusals_total{{[^}}]*"{code}"[^}}]*}} ([0-9.]+)', text, re.M)
    )


def other_key(key: str) -> str:
    """A gateway key with one character of its secret changed."""
    return key[:30] + ("a" if key[30] != "a" else "b") + key[31:]


@pytest.mark.parametrize("kind", ["unknown", "malformed", "of a provider"])
@pytest.mark.parametrize("ask", UNAUTHENTICATED)
def test_a_bad_key(stack: Stack, ledger: LedgerRows, ask: Ask, kind: str) -> None:
    """401 in the SDK's own class; asked once, and nobody is contacted."""
    key = {"unknown": other_key(stack.key), "malformed": "th_live_short", "of a provider": "sk-of-nobody-here"}[kind]
    path, word = UNAUTHENTICATED[ask]
    before, counted = stack.billed()["received"], refusals(stack, "unauthenticated")
    said = ask(stack.gateway_url + path, key)
    assert (said.status, said.code, said.kind) == (401, "unauthenticated", word)
    assert ("No gateway key" if kind == "of a provider" else "not valid") in said.message
    assert key not in said.message
    assert stack.billed()["received"] == before
    stack.until(lambda: refusals(stack, "unauthenticated") >= counted + 1)
    assert refusals(stack, "unauthenticated") == counted + 1


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_base_url_that_is_nearly_right(stack: Stack, ledger: LedgerRows, name: str) -> None:
    """404 that says which base URL the SDK needs; recorded once as refused, at no cost."""
    ask, path, word, advice = NEAR_MISSES[name]
    watch, before = ledger.watch(), stack.billed()["received"]
    said = ask(stack.gateway_url + path, stack.key)
    assert (said.status, said.code, said.kind) == (404, "no_route", word)
    assert advice in said.message
    assert stack.billed()["received"] == before
    check_refused(watch.one(), "no_route", 404)


@pytest.mark.parametrize(("ask", "path"), [(ask_openai, "/v1"), (ask_anthropic, ""), (ask_gemini, "")])
def test_a_provider_that_is_not_configured(stack: Stack, ledger: LedgerRows, ask: Ask, path: str) -> None:
    """404 that says how to add one."""
    watch = ledger.watch()
    said = ask(f"{stack.gateway_url}/providers/nowhere{path}", stack.key)
    assert (said.status, said.code) == (404, "no_route")
    assert "not configured" in said.message and "nowhere" not in said.message
    check_refused(watch.one(), "no_route", 404)


def test_a_method_that_is_not_metered(stack: Stack, ledger: LedgerRows) -> None:
    """Gemini's other methods are told where they are reached; there they pass unread, and their cost is unknown."""
    watch = ledger.watch()
    for path in ("", "/providers/gemini"):
        options = types.HttpOptions(base_url=stack.gateway_url + path)
        with (
            genai.Client(api_key=stack.key, http_options=options) as client,
            pytest.raises(errors.ClientError) as caught,
        ):
            client.models.embed_content(model="text-embedding-004", contents="Hello")
        assert caught.value.code == 404
        assert ("not served here" in str(caught.value.message)) == (path == "")
    refused, relayed = watch.rows(2)
    check_refused(refused, "no_route", 404)
    assert (relayed["outcome"], relayed["provider_status"], relayed["dialect"]) == ("provider_error", 404, "raw")


@pytest.mark.parametrize(
    ("ask", "path", "body"),
    [(ask_openai, "/v1", {"n": 0}), (ask_anthropic, "", {"extra_body": {"max_tokens": "many"}})],
)
def test_a_body_that_cannot_be_served(stack: Stack, ledger: LedgerRows, ask: Ask, path: str, body: Any) -> None:
    """400 that names the field and not what stood in it."""
    watch, before = ledger.watch(), stack.billed()["received"]
    said = ask(stack.gateway_url + path, stack.key, **body)
    field = "max_tokens" if "extra_body" in body else "n"
    assert (said.status, said.code) == (400, "bad_request")
    assert f"`{field}`" in said.message and "many" not in said.message
    assert stack.billed()["received"] == before
    check_refused(watch.one(), "bad_request", 400)


def test_the_request_id_is_in_the_error(stack: Stack, ledger: LedgerRows) -> None:
    """What a person quotes leads to the row."""
    with (
        openai.OpenAI(base_url=stack.gateway_url, api_key=stack.key) as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        client.chat.completions.create(**CHAT)
    body: Any = caught.value.body
    assert body["request_id"] == caught.value.response.headers["x-tollhouse-request-id"]
    check_refused(ledger.of(body["request_id"]), "no_route", 404)


def check_refused(row: dict[str, Any], code: str, status: int) -> None:
    """A row of a call that we refused before anybody was contacted."""
    expected = {
        "outcome": "refused",
        "error_code": code,
        "status": status,
        "provider_status": None,
        "cost_nano_usd": 0,
        "attempts": 0,
    }
    assert columns(row, expected) == expected
