"""What the client sees of an answer: the provider's bytes and header fields, and beside them only what we document."""

from __future__ import annotations

import gzip
import json
import socket
from urllib.parse import urlsplit

import pytest

import raw_http
from ledger_rows import LedgerRows, check
from raw_http import Field, Received
from stack import Stack

JSON: Field = ("content-type", "application/json")
ASKED = '"messages":[{"role":"user","content":"hi"}]'
REQUESTS = {
    "chat": ("/v1/chat/completions", '{"model":"gpt-4o-mini",' + ASKED + "}"),
    "chat-stream": (
        "/v1/chat/completions",
        '{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},' + ASKED + "}",
    ),
    "responses": ("/v1/responses", '{"model":"gpt-4o-mini","input":"hi"}'),
    "responses-stream": ("/v1/responses", '{"model":"gpt-4o-mini","input":"hi","stream":true}'),
    "embeddings": ("/v1/embeddings", '{"model":"text-embedding-3-small","input":"hi"}'),
    "messages": ("/v1/messages", '{"model":"claude-haiku-4-5-20251001","max_tokens":50,' + ASKED + "}"),
    "messages-stream": (
        "/v1/messages",
        '{"model":"claude-haiku-4-5-20251001","max_tokens":50,"stream":true,' + ASKED + "}",
    ),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", '{"contents":[{"parts":[{"text":"hi"}]}]}'),
    "gemini-stream": (
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        '{"contents":[{"parts":[{"text":"hi"}]}]}',
    ),
    "gemini-array": (
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        '{"contents":[{"parts":[{"text":"hi"}]}]}',
    ),
    "count-tokens": ("/v1/messages/count_tokens", '{"model":"claude-haiku-4-5-20251001",' + ASKED + "}"),
    "provider-error": ("/v1/chat/completions", '{"model":"gpt-4o-mini","messages":[]}'),
}
FRAMING = ("connection", "keep-alive", "transfer-encoding", "content-length", "date")
OURS = frozenset(("x-tollhouse-request-id", "x-tollhouse-cost-usd"))
NUMBERED = ("x-request-id", "request-id", "x-goog-request-id")
"""Ids that the simulated provider counts up."""


def both(stack: Stack, name: str, *fields: Field) -> tuple[Received, Received]:
    """The answer to the same request from the provider directly and through the gateway."""
    target, body = REQUESTS[name]
    key = ("x-goog-api-key", "{}") if "/v1beta/" in target else ("authorization", "Bearer {}")
    direct = raw_http.send(
        stack.simulator_url, target, [JSON, (key[0], key[1].format("sk-simulated")), *fields], body.encode()
    )
    relayed = raw_http.send(
        stack.gateway_url, target, [JSON, (key[0], key[1].format(stack.key)), *fields], body.encode()
    )
    return direct, relayed


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_the_providers(stack: Stack, name: str) -> None:
    """Status, body, and header fields in their order and with their duplicates; cookies stay behind."""
    direct, relayed = both(stack, name)
    assert (relayed.status, relayed.body) == (direct.status, direct.body)
    theirs = [field for field in direct.fields if field[0] not in (*FRAMING, *NUMBERED, "set-cookie")]
    assert [field for field in relayed.fields if field[0] not in (*FRAMING, *NUMBERED) and not is_ours(field)] == theirs
    assert direct.all_of("set-cookie") and not relayed.all_of("set-cookie")


@pytest.mark.parametrize("name", REQUESTS)
def test_only_documented_fields_are_added(stack: Stack, name: str) -> None:
    """The request id always, the cost where the whole answer was seen before its head left."""
    direct, relayed = both(stack, name)
    added = {name for name, _ in relayed.fields} - {name for name, _ in direct.fields} - set(FRAMING)
    whole = "stream" not in name and name != "gemini-array"
    assert added == (OURS if whole else OURS - {"x-tollhouse-cost-usd"})
    assert len(relayed.all_of("x-tollhouse-request-id")) == 1


def test_the_server_says_nothing_of_itself(stack: Stack) -> None:
    """`server` and `date` are the provider's, or nobody's."""
    direct, relayed = both(stack, "chat")
    assert relayed.all_of("server") == direct.all_of("server")
    assert len(relayed.all_of("date")) == len(direct.all_of("date"))


@pytest.mark.parametrize("name", ["chat", "messages", "gemini", "responses", "embeddings"])
def test_an_encoded_answer_is_passed_and_metered(stack: Stack, ledger: LedgerRows, name: str) -> None:
    """A client that takes gzip gets the provider's gzip byte for byte, and its usage is seen all the same."""
    direct, relayed = both(stack, name, ("accept-encoding", "gzip, br"), ("x-simulate", "fault=gzip"))
    assert relayed.one("content-encoding") == "gzip"
    assert relayed.body == direct.body
    row = ledger.of(relayed.one("x-tollhouse-request-id"))
    answer = json.loads(gzip.decompress(relayed.body))
    check(row, tokens_of(answer), streaming=False)


@pytest.mark.parametrize("name", ["chat", "chat-stream", "gemini-array"])
def test_a_client_that_takes_no_gzip_gets_none(stack: Stack, ledger: LedgerRows, name: str) -> None:
    """The provider is not asked for what the client cannot read; a stream is never encoded."""
    accepted = ("accept-encoding", "gzip" if name != "chat" else "identity")
    direct, relayed = both(stack, name, ("x-simulate", "fault=gzip"), accepted)
    assert relayed.all_of("content-encoding") == []
    plain = direct.body if name == "chat" else gzip.decompress(direct.body)
    assert relayed.body == plain
    row = ledger.of(relayed.one("x-tollhouse-request-id"))
    assert (row["usage_source"], row["price_status"], row["outcome"]) == ("reported", "priced", "completed")


def test_a_long_answer_is_passed_whole(stack: Stack, ledger: LedgerRows) -> None:
    """Beyond what is gathered for the cost header an answer passes as it comes, with its length and its usage."""
    direct, relayed = both(stack, "chat", ("x-simulate", "chunks=40; chunk_bytes=50000"))
    assert len(direct.body) > 1_900_000
    assert relayed.body == direct.body
    assert relayed.one("content-length") == str(len(direct.body))
    row = ledger.of(relayed.one("x-tollhouse-request-id"))
    check(row, tokens_of(json.loads(relayed.body)), response_bytes=len(direct.body))


def test_a_redirect_is_passed_not_followed(stack: Stack, ledger: LedgerRows) -> None:
    """Following one could carry a key to another host."""
    direct, relayed = both(stack, "chat", ("x-simulate", "fault=status:307"))
    assert (relayed.status, relayed.body) == (307, direct.body)
    assert ledger.of(relayed.one("x-tollhouse-request-id"))["cost_nano_usd"] == 0


def is_ours(field: Field) -> bool:
    return field[0] in OURS


def tokens_of(answer: dict[str, object]) -> tuple[int, int]:
    """Input and output as an answer without cached parts reports them."""
    usage = answer.get("usage") or answer.get("usageMetadata")
    assert isinstance(usage, dict)
    for names in (
        ("prompt_tokens", "completion_tokens"),
        ("input_tokens", "output_tokens"),
        ("promptTokenCount", "candidatesTokenCount"),
    ):
        if names[0] in usage:
            return usage[names[0]], usage.get(names[1], 0)
    raise AssertionError("the answer reports no usage")


def test_an_answer_without_a_body_is_passed(stack: Stack) -> None:
    """304 has none, whatever its framing says."""
    direct, relayed = both(stack, "chat", ("x-simulate", "fault=status:304"))
    assert (relayed.status, relayed.body) == (direct.status, direct.body) == (304, b"")


def test_events_are_passed_as_they_come(stack: Stack) -> None:
    """What the provider has said so far has arrived while it is still silent about the rest."""
    target, body = REQUESTS["chat-stream"]
    head = (
        f"POST {target} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nauthorization: Bearer {stack.key}\r\n"
    )
    head += f"content-length: {len(body)}\r\nx-simulate: fault=stall_mid:3\r\n\r\n"
    address = urlsplit(stack.gateway_url)
    received = b""
    with socket.create_connection((address.hostname, address.port), raw_http.TIMEOUT_S) as connection:
        connection.sendall((head + body).encode())
        while received.count(b"data: {") < 3:
            data = connection.recv(65_536)
            assert data, "the gateway hung up"
            received += data
    assert received.count(b"data: {") == 3
    assert stack.billed()["bills"][-1]["finished"] is False
