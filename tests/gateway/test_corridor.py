"""The corridor end to end: an ordinary call, streaming and not, through every room, into the ledger."""

from __future__ import annotations

import base64

from openai import OpenAI

from stack import Stack


def client_of(stack: Stack) -> OpenAI:
    return OpenAI(base_url=f"{stack.gateway_url}/v1", api_key=stack.key, max_retries=0)


def test_a_call_is_answered_priced_and_recorded(stack: Stack) -> None:
    """The answer is the provider's, its cost stands in a header, and the ledger has one row that agrees with both."""
    raw = client_of(stack).chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Hello"}],
        extra_headers={"x-tollhouse-team": "search", "x-modeltrack-feature": "ask", "x-modelspend-cost-center": "cc-1"},
    )
    answer = raw.parse()
    row = stack.call(raw.headers["x-tollhouse-request-id"])
    assert answer.usage is not None
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert row["cost_nano_usd"] == answer.usage.prompt_tokens * 150 + answer.usage.completion_tokens * 600
    assert raw.headers["x-tollhouse-cost-usd"] == f"{row['cost_nano_usd'] / 1e9:.9f}".rstrip("0")
    assert (row["team"], row["feature"], row["cost_center"]) == ("search", "ask", "cc-1")
    assert (row["outcome"], row["usage_source"], row["price_status"]) == ("completed", "reported", "priced")
    assert (row["credential_mode"], row["provider"], row["streaming"]) == ("vault", "openai", False)


def test_a_stream_is_relayed_without_the_usage_that_only_we_asked_for(stack: Stack) -> None:
    """A client that did not ask for usage sees none, and the ledger has it all the same."""
    stream = client_of(stack).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    request_id = stream.response.headers["x-tollhouse-request-id"]
    chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    row = stack.call(request_id)
    assert (row["outcome"], row["usage_source"], row["streaming"]) == ("completed", "reported", True)
    assert row["output_tokens"] > 0 and row["cost_nano_usd"] > 0
    assert b'"include_usage":true' in _last_body(stack)


def test_a_stream_that_asks_for_usage_gets_it(stack: Stack) -> None:
    """Nothing is stripped where the client asked, and its request is sent byte for byte."""
    stream = client_of(stack).chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    request_id = stream.response.headers["x-tollhouse-request-id"]
    last = list(stream)[-1]
    assert last.usage is not None
    row = stack.call(request_id)
    assert (row["input_tokens"], row["output_tokens"]) == (last.usage.prompt_tokens, last.usage.completion_tokens)


def _last_body(stack: Stack) -> bytes:
    return base64.b64decode(stack.provider_requests(1)[-1]["body_base64"])
