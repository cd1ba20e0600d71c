"""What a provider receives of a call: its own key, the client's bytes, and nothing of ours."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import msgspec

from dialogue import Ask, chat, generate, messages
from plain_http import exchange
from stack import Stack
from traces import marked, new_trace


def received(stack: Stack, ask: Ask, **headers: str) -> dict[str, Any]:
    """One call, and what the simulated provider saw of it; names of fields in lower case."""
    request = ask.written(stack.key, **marked(new_trace()), **headers)
    assert asyncio.run(exchange(stack.gateway_url, request)).status == 200
    seen = stack.provider_requests(1)[-1]
    seen["headers"] = {name.lower(): value for name, value in seen["headers"]}
    return seen


def test_the_key_of_the_vault_takes_the_place_of_ours(stack: Stack) -> None:
    """In the field that each provider reads; the gateway key goes nowhere."""
    wanted = (
        (chat(), "authorization", "Bearer sk-simulated"),
        (messages(), "x-api-key", "sk-simulated"),
        (generate(), "x-goog-api-key", "sk-simulated"),
    )
    for ask, name, value in wanted:
        seen = received(stack, ask, cookie="a=b", x_tollhouse_team="search")
        assert seen["headers"][name] == value
        assert "th_live" not in str(seen)
        assert not [name for name in seen["headers"] if name == "cookie" or name.startswith("x-tollhouse-")]
        assert seen["headers"]["host"] == stack.simulator_url.removeprefix("http://")


def test_a_kind_that_needs_no_key_is_called_without_one(stack: Stack) -> None:
    """Under a gateway key alone; no field that carries keys is sent, and the gateway key goes nowhere."""
    ask = msgspec.structs.replace(chat(), path="/providers/keyless/v1/chat/completions")
    answer = asyncio.run(exchange(stack.gateway_url, ask.written(stack.own_key)))
    assert answer.status == 400, answer.body
    assert answer.body.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"authorization" not in answer.body.lower() and b"th_live" not in answer.body


def test_the_body_is_the_clients_byte_for_byte(stack: Stack) -> None:
    """Unless a stream's usage has to be asked for: then that one member is added."""
    for ask in (chat(), messages(True), generate(), chat(True, stream_options={"include_usage": True})):
        assert base64.b64decode(received(stack, ask)["body_base64"]) == json.dumps(ask.body).encode()
    asked = base64.b64decode(received(stack, chat(True))["body_base64"])
    assert json.loads(asked) == chat(True).body | {"stream_options": {"include_usage": True}}


def test_path_and_query_are_the_clients(stack: Stack) -> None:
    """Percent-encoding included; what belongs to us is taken out of the query."""
    seen = received(stack, generate(True))
    assert (seen["path"], seen["query"]) == ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "alt=sse")
