"""What the provider sees of a request: the client's bytes and header fields, and never a gateway key."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

import raw_http
from raw_http import Field
from stack import Stack

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
JSON: Field = ("content-type", "application/json")
OWN = "sk-own-0123456789abcdef"

MESSAGE = '"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]'
BODIES = {
    "compact": "{" + MESSAGE + "}",
    "white-space": '\r\n\t {\n  "model" :\t"gpt-4o-mini" ,\r\n "messages"\n:[ {"role" : "user","content":"hi"}] } \n\n',
    "escapes": '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\\u00E9\\ud83d\\ude00\\/\\u0000\\n"}]}',
    "raw-unicode": '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"é😀\u2028\ufeff\u200b"}]}',
    "escaped-key": '{"\\u006dodel":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}',
    "big-numbers": "{"
    + MESSAGE
    + ',"seed":123456789012345678901234567890,"temperature":1e-7,"top_p":0.10000000000000000}',
    "odd-numbers": "{" + MESSAGE + ',"presence_penalty":-0,"frequency_penalty":-0.0E+0,"logit_bias":{"1":1E2}}',
    "nested-duplicates": "{" + MESSAGE + ',"logit_bias":{"1":1,"1":2,"":3,"":{"a":[],"a":{}}}}',
    "unknown-fields": "{" + MESSAGE + ',"":null,"x":[[[[[[{}]]]]]],"\\"}":"{\\"stream\\":true}","metadata":null}',
    "quotes-in-text": '{"messages":[{"role":"user","content":"\\\\\\"stream\\":true,{[\\\\"}],"model":"gpt-4o-mini"}',
}
"""Legal JSON that a parser and its serialiser would not give back as it was."""

STREAMED = {
    "first": (
        '{"stream":true,' + MESSAGE + "}",
        '{"stream_options":{"include_usage":true},"stream":true,' + MESSAGE + "}",
    ),
    "spaced": (
        "{ \n" + MESSAGE + ' , "stream" : true }\n',
        '{"stream_options":{"include_usage":true}, \n' + MESSAGE + ' , "stream" : true }\n',
    ),
    "said-no": (
        '{"stream_options": {"x":1, "include_usage" : false },"stream":true,' + MESSAGE + "}",
        '{"stream_options": {"x":1, "include_usage" : true },"stream":true,' + MESSAGE + "}",
    ),
    "null": (
        '{"stream_options":null,"stream":true,' + MESSAGE + "}",
        '{"stream_options":{"include_usage":true},"stream":true,' + MESSAGE + "}",
    ),
    "said-yes": (
        '{"stream":true,"stream_options":{ "include_usage":true },' + MESSAGE + "}",
        '{"stream":true,"stream_options":{ "include_usage":true },' + MESSAGE + "}",
    ),
}
"""Chat streams: what the client sends, and what the provider must get."""

KEPT: list[Field] = [
    ("accept", "text/event-stream, application/json;q=0.9"),
    ("Accept-Language", "th_TH, de;q=0.5"),
    ("User-Agent", "Some Client/1.0 (à la carte)"),
    ("X-Stainless-Retry-Count", "0"),
    ("OpenAI-Organization", "org-1"),
    ("openai-beta", "assistants=v2"),
    ("openai-beta", "realtime=v1"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("x-twice", "b"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-twice", "a"),
    ("x-twice", "b"),
    ("idempotency-key", "stainless-python-retry-1"),
    ("x-empty", ""),
    ("x-toll", "not ours"),
    ("x-modeltracks", "not ours either"),
    ("x-comma", "a,  b,,c"),
]
DROPPED: list[Field] = [
    ("Connection", "keep-alive, X-Named, x-Named-too"),
    ("Connection", "x-named-later"),
    ("X-Named", "1"),
    ("x-named-TOO", "2"),
    ("x-named-later", "3"),
    ("keep-alive", "timeout=5"),
    ("TE", "trailers"),
    ("Trailer", "x-sum"),
    ("Proxy-Authorization", "Basic cDpw"),
    ("proxy-connection", "keep-alive"),
    ("Cookie", "session=1"),
    ("X-Tollhouse-Team", "search"),
    ("x-tollhouse-anything", "1"),
    ("X-ModelTrack-App", "a"),
    ("x-modelspend-cost-center", "c"),
    ("x-modelspend-customer-id", "d"),
]


def seen(stack: Stack) -> dict[str, Any]:
    """The last request as the simulated provider received it."""
    return stack.provider_requests(1)[-1]


def body_of(request: dict[str, Any]) -> bytes:
    return base64.b64decode(request["body_base64"])


def fields_of(request: dict[str, Any]) -> list[Field]:
    return [(name, value) for name, value in request["headers"]]


def credentials(stack: Stack, mode: str) -> list[Field]:
    if mode == "vault":
        return [("Authorization", f"Bearer {stack.key}")]
    return [("Authorization", f"Bearer {OWN}"), ("X-Tollhouse-Key", stack.key)]


@pytest.mark.parametrize("mode", ["vault", "passthrough"])
@pytest.mark.parametrize("name", BODIES)
def test_the_body_is_sent_byte_for_byte(stack: Stack, name: str, mode: str) -> None:
    """Whatever legal JSON a client writes, the provider gets its bytes and no others."""
    body = BODIES[name].encode()
    assert isinstance(json.loads(body), dict)
    answer = raw_http.send(stack.gateway_url, CHAT, [JSON, *credentials(stack, mode)], body)
    assert body_of(seen(stack)) == body
    assert answer.all_of("x-tollhouse-request-id")


def test_half_a_character_is_refused_not_mended(stack: Stack) -> None:
    """Half of an escaped pair stands for no text that could be sent on; providers refuse it likewise."""
    body = BODIES["compact"].replace("hi", "\\ud83d").encode()
    answer = raw_http.send(stack.gateway_url, CHAT, [JSON, *credentials(stack, "vault")], body)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_that_did_not_ask_for_usage_gets_one_splice(stack: Stack, name: str) -> None:
    """Asking for usage changes those bytes alone that have to ask."""
    sent, expected = STREAMED[name]
    raw_http.send(stack.gateway_url, CHAT, [JSON, *credentials(stack, "vault")], sent.encode())
    assert body_of(seen(stack)).decode() == expected


def test_a_long_body_is_sent_whole(stack: Stack) -> None:
    """A body of a mebibyte arrives with its length and every byte of it."""
    text = "é" * (512 * 1024 - 100)
    body = ('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"' + text + '"}]}').encode()
    answer = raw_http.send(stack.gateway_url, CHAT, [JSON, *credentials(stack, "vault")], body)
    assert (answer.status, body_of(seen(stack))) == (200, body)
    assert ("content-length", str(len(body))) in fields_of(seen(stack))


def test_a_body_in_chunks_is_sent_with_its_length(stack: Stack) -> None:
    """How the client framed its body ends at the gateway; the provider gets the same bytes, and their length."""
    body = BODIES["white-space"].encode()
    fields = [JSON, *credentials(stack, "vault"), ("Transfer-Encoding", "chunked")]
    parts = [body[:1], body[1:20], body[20:]]
    answer = raw_http.send(stack.gateway_url, CHAT, fields, raw_http.chunked(parts), framed=False)
    request = seen(stack)
    assert (answer.status, body_of(request)) == (200, body)
    assert ("content-length", str(len(body))) in fields_of(request)
    assert not [name for name, _ in fields_of(request) if name == "transfer-encoding"]


@pytest.mark.parametrize("mode", ["vault", "passthrough"])
def test_header_fields_are_kept_in_order_but_for_those_of_the_list(stack: Stack, mode: str) -> None:
    """Everything end to end goes on, duplicates and order too; hop by hop, cookies and ours do not."""
    mixed = [field for pair in zip(KEPT, DROPPED + [DROPPED[0]] * len(KEPT), strict=False) for field in pair]
    fields = [JSON, *credentials(stack, mode), *mixed, *DROPPED[len(KEPT) :]]
    answer = raw_http.send(stack.gateway_url, CHAT, fields, BODIES["compact"].encode())
    assert answer.status == 200
    added = ("host", "content-length", "accept-encoding", "authorization")
    arrived = [field for field in fields_of(seen(stack)) if field[0] not in added]
    assert arrived == [(name.lower(), value) for name, value in [JSON, *KEPT]]


@pytest.mark.parametrize(
    ("path", "name", "value", "body"),
    [
        (CHAT, "Authorization", f"Bearer {OWN}", BODIES["compact"]),
        (CHAT, "authorization", f"bearer  {OWN}", BODIES["compact"]),
        (
            MESSAGES,
            "X-Api-Key",
            OWN,
            '{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"h"}]}',
        ),
        (
            MESSAGES,
            "authorization",
            "Bearer oat-1",
            '{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"h"}]}',
        ),
        (GENERATE, "x-goog-api-key", "AIza-own", '{"contents":[{"parts":[{"text":"h"}]}]}'),
    ],
)
def test_a_clients_own_key_goes_on_unchanged(stack: Stack, path: str, name: str, value: str, body: str) -> None:
    """In pass-through the provider gets the client's credential as it was sent, once, and nothing of ours."""
    fields = [JSON, ("x-tollhouse-key", stack.key), (name, value)]
    answer = raw_http.send(stack.gateway_url, path, fields, body.encode())
    assert answer.status == 200
    places = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
    assert [field for field in fields_of(seen(stack)) if field[0] in places] == [(name.lower(), value)]
    assert "th_live" not in msgspec.json.encode(seen(stack)).decode()


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (CHAT, ("authorization", "Bearer {key}")),
        (CHAT, ("api-key", "{key}")),
        (CHAT, ("x-tollhouse-key", "{key}")),
        (CHAT, ("x-modeltrack-key", "{key}")),
        (MESSAGES, ("x-api-key", "{key}")),
        (MESSAGES, ("authorization", "Bearer {key}")),
        (GENERATE, ("x-goog-api-key", "{key}")),
    ],
)
def test_a_gateway_key_never_reaches_the_provider(stack: Stack, path: str, place: Field) -> None:
    """Wherever the gateway key stood, the provider sees the vault's credential and no part of the key."""
    fields = [JSON, (place[0], place[1].format(key=stack.key))]
    body = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"h"}],"contents":[{"parts":[]}]}'
    raw_http.send(stack.gateway_url, path, fields, body.encode())
    request = msgspec.json.encode(seen(stack)).decode()
    assert "th_live" not in request and stack.key[8:] not in request
    assert "sk-simulated" in request


def test_a_gateway_key_in_the_query_is_taken_out(stack: Stack) -> None:
    """Gemini's `?key=` is read as a key; the rest of the query stays as it was written."""
    query = f"alt=json&key={stack.key}&%24fields=a%2Fb&empty&x=1&x=2"
    answer = raw_http.send(stack.gateway_url, f"{GENERATE}?{query}", [JSON], b'{"contents":[{"parts":[{"text":"h"}]}]}')
    assert answer.status == 200
    assert seen(stack)["query"] == "alt=json&%24fields=a%2Fb&empty&x=1&x=2"


def test_the_query_is_kept_as_it_was_written(stack: Stack) -> None:
    """Order, duplicates, encoding and odd characters, in pass-through a provider's own key too."""
    query = "beta=true&b=%20+%2B&a=1&a=2&=&&key=AIza-own&z=%E2%82%AC&q=a/b?c"
    fields = [JSON, ("x-tollhouse-key", stack.key)]
    answer = raw_http.send(stack.gateway_url, f"{GENERATE}?{query}", fields, b'{"contents":[{"parts":[{"text":"h"}]}]}')
    assert answer.status == 200
    assert seen(stack)["query"] == query


@pytest.mark.parametrize(
    ("accepted", "stream", "expected"),
    [
        (None, False, "identity"),
        ("gzip, deflate, br, zstd", False, "gzip"),
        ("br, deflate", False, "identity"),
        ("br, *", False, "gzip"),
        ("gzip;q=0, br", False, "identity"),
        ("gzip, deflate, br", True, "identity"),
    ],
)
def test_the_accepted_encoding_is_what_both_sides_speak(
    stack: Stack, accepted: str | None, stream: bool, expected: str
) -> None:
    """One field, always: gzip where the client takes it and the answer is no stream, else no encoding."""
    fields = [JSON, *credentials(stack, "vault"), *([("Accept-Encoding", accepted)] if accepted else [])]
    body = STREAMED["said-yes"][0] if stream else BODIES["compact"]
    raw_http.send(stack.gateway_url, CHAT, fields, body.encode())
    found = [value for name, value in fields_of(seen(stack)) if name == "accept-encoding"]
    assert found == [expected]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_a_raw_path_is_relayed_as_it_is(stack: Stack, method: str) -> None:
    """Under /providers/{name}/ method, path, query and a body of any kind go on unread."""
    body = None if method in ("GET", "DELETE") else bytes(range(256)) * 8
    fields = [("content-type", "application/octet-stream"), *credentials(stack, "vault")]
    target = "/providers/openai/raw/a%20b;c=1/~x?y=%zz&y"
    answer = raw_http.send(stack.gateway_url, target, fields, body, method=method)
    request = seen(stack)
    assert answer.status == 200
    assert (request["method"], request["path"], request["query"]) == (method, "/raw/a%20b;c=1/~x", "y=%zz&y")
    assert body_of(request) == (body or b"")


def test_a_client_that_waits_for_leave_to_send_gets_it(stack: Stack) -> None:
    """`Expect: 100-continue` is answered here, as curl asks for long bodies, and does not travel on."""
    body = BODIES["compact"].encode()
    fields = [JSON, *credentials(stack, "vault"), ("content-length", str(len(body))), ("Expect", "100-continue")]
    lines = [f"POST {CHAT} HTTP/1.1", "host: t", *(f"{name}: {value}" for name, value in fields)]
    address = urlsplit(stack.gateway_url)
    with socket.create_connection((address.hostname, address.port), raw_http.TIMEOUT_S) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert body_of(seen(stack)) == body
    assert not [name for name, _ in fields_of(seen(stack)) if name == "expect"]
