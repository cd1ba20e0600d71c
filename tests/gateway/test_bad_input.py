"""What strangers and careless clients send: each is told so in its dialect, costs the provider nothing, and is on
record where the caller was known.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dialogue import Ask, chat, error_code, error_message, generate, key_header, messages, request_id_in
from plain_http import Answer, Wire, exchange, written
from stack import Stack
from tollhouse.gateway.record import BODY_TOO_SLOW
from traces import marked, new_trace, rows_of

CANARY = "canary7f3a91"
MALFORMED_KEY = f"th_live_{CANARY}_" + "x" * 49
UNKNOWN_KEY = "th_live_AAAAAAAAAAAA_" + "B" * 43 + "000000"
BODY_BYTES_MAX = 2 * 1024 * 1024
JSON_TYPE = {"content-type": "application/json"}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One bad request and what is said to it."""

    name: str
    family: str
    request: bytes
    status: int
    code: str
    known: bool = True
    says: str = ""


def edited(ask: Ask, key: str, body: bytes, **fields: str) -> bytes:
    """The ask's head with other fields, over another body."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return written("POST", ask.path, JSON_TYPE | key_header(ask.family, key) | named, body)


def bodies(ask: Ask) -> dict[str, bytes]:
    """Bodies that no provider shall see; each has the canary where it can."""
    good = json.dumps(ask.body | {"user": CANARY}).encode()
    return {
        "empty": b"",
        "truncated": good[:-2],
        "no JSON": CANARY.encode(),
        "an array": b'["' + CANARY.encode() + b'"]',
        "a key twice": b'{"model": "' + CANARY.encode() + b'", ' + good[1:-1] + b', "model": "a", "contents": []}',
        "nested absurdly": good[:-1] + b', "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "nested too deeply": good[:-1] + b', "a": ' + b"[" * 65 + b"]" * 65 + b"}",
        "NaN": good[:-1] + b', "temperature": NaN}',
        "Infinity": good[:-1] + b', "top_p": -Infinity}',
        "not UTF-8": good[:-1] + b', "a": "\xff\xfe"}',
    }


def cases_of(ask: Ask, key: str) -> list[Case]:
    """All that can be said wrongly in one dialect."""
    good = json.dumps(ask.body).encode()
    provider_path = msgspec.structs.replace(ask, path="/providers/nowhere" + ask.path)
    fields = list((JSON_TYPE | key_header(ask.family, key)).items())
    many = written("POST", ask.path, fields + [(f"x-{number}", CANARY) for number in range(150)], good)
    chunked = written("POST", ask.path, [*fields, ("transfer-encoding", "chunked")])
    piece = b"%x\r\n" % (BODY_BYTES_MAX // 2) + b" " * (BODY_BYTES_MAX // 2) + b"\r\n"
    found = [
        ("no key", written("POST", ask.path, JSON_TYPE, good), 401, "unauthenticated", False),
        ("malformed key", edited(ask, MALFORMED_KEY, good), 401, "unauthenticated", False),
        ("unknown key", edited(ask, UNKNOWN_KEY, good), 401, "unauthenticated", False),
        ("no key, large body", written("POST", ask.path, JSON_TYPE, good + b" " * 1_500_000), 401, None, False),
        ("content type", edited(ask, key, good, content_type="text/plain"), 400, None, True),
        ("content encoding", edited(ask, key, good, content_encoding="gzip"), 400, None, True),
        ("label too long", edited(ask, key, good, x_tollhouse_team=CANARY * 20), 400, None, True),
        ("label with a tab", edited(ask, key, good, x_modeltrack_app=f"{CANARY}\tb"), 400, None, True),
        ("amount", edited(ask, key, good, x_tollhouse_max_cost_usd=CANARY), 400, None, True),
        ("long head", edited(ask, key, good, x_long=CANARY * 3400), 413, "too_large", True),
        ("many fields", many, 413, "too_large", True),
        ("declared too large", edited(ask, key, b"", content_length=str(BODY_BYTES_MAX + 1)), 413, "too_large", True),
        ("chunked too large", chunked + piece * 3, 413, "too_large", True),
        ("no such provider", edited(provider_path, key, good), 404, "no_route", True),
        ("wrong method", written("PUT", ask.path, fields, good), 400, None, True),
    ]
    found += [(name, edited(ask, key, body), 400, None, True) for name, body in bodies(ask).items()]
    codes = {400: "bad_request", 401: "unauthenticated"}
    return [
        Case(name=name, family=ask.family, request=request, status=status, code=code or codes[status], known=known)
        for name, request, status, code, known in found
    ]


def run(stack: Stack, cases: list[Case]) -> list[Answer]:
    """Sends all, and checks what all have in common: shape, ids, records, silence towards the provider."""
    before = {row["call_id"] for row in stack.calls()}
    received = stack.billed()["received"]

    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(exchange(stack.gateway_url, case.request) for case in cases))

    answers = asyncio.run(all_of_them())
    known = sum(case.known for case in cases)
    stack.until(lambda: len(stack.calls()) >= len(before) + known)
    time.sleep(0.3)
    rows = {row["call_id"]: row for row in stack.calls() if row["call_id"] not in before}
    assert len(rows) == known
    for case, answer in zip(cases, answers, strict=True):
        check(case, answer, rows.get(answer.request_id.removeprefix("req_")))
    assert stack.billed()["received"] == received, "the provider was troubled"
    return answers


def check(case: Case, answer: Answer, row: dict[str, Any] | None) -> None:
    """One refusal and its record."""
    where = f"{case.family}: {case.name}"
    assert (answer.status, answer.ended) == (case.status, True), where
    assert error_code(case.family, answer.json) == case.code, where
    assert request_id_in(case.family, answer.json) == answer.request_id != "", where
    assert case.says in error_message(answer.json), where
    assert answer.headers["x-should-retry"] == "false", where
    assert CANARY.encode() not in answer.body and CANARY not in str(answer.headers), where
    assert (row is not None) == case.known, where
    if row is not None:
        assert (row["outcome"], row["error_code"], row["status"]) == ("refused", case.code, case.status), where
        assert (row["cost_nano_usd"], row["usage_source"], row["attempts"]) == (0, "none", 0), where
        assert CANARY not in str(row), where


def test_bad_requests_are_refused_in_the_clients_dialect(stack: Stack) -> None:
    """Status, code, shape and record of each, in three families; the provider hears of none."""
    run(stack, [case for ask in (chat(), messages(), generate()) for case in cases_of(ask, stack.key)])
    assert CANARY not in stack.log()


def test_a_near_miss_is_told_the_right_base_url(stack: Stack) -> None:
    """The advice that somebody needs whose base URL is nearly right."""
    wanted = {
        "/chat/completions": ("openai", "followed by /v1"),
        "/v1/v1/chat/completions": ("openai", "followed by /v1"),
        "/v1/chat/completions/": ("openai", "must not end with a slash"),
        "/v1/v1/messages": ("anthropic", "this gateway's address alone, without /v1"),
        "/messages": ("anthropic", "this gateway's address alone, without /v1"),
        "/v1beta/v1beta/models/gemini-2.5-flash:generateContent": ("gemini", "without a version"),
        "/": ("openai", "followed by /v1"),
        f"/{CANARY}": ("openai", "/providers/{name}/"),
    }
    cases = [
        Case(
            name=path,
            family=family,
            request=written("POST", path, JSON_TYPE | key_header(family, stack.key), b"{}"),
            status=404,
            code="no_route",
            says=says,
        )
        for path, (family, says) in wanted.items()
    ]
    run(stack, cases)


def test_paths_with_two_readings_are_refused(stack: Stack) -> None:
    """Dot segments and encoded slashes are not cleaned up."""
    paths = ("/v1/../v1/chat/completions", "/v1//chat/completions", "/v1/chat%2fcompletions", "/v1/%2e%2e/models")
    fields = JSON_TYPE | key_header("openai", stack.key)
    run(
        stack,
        [
            Case(
                name=path, family="openai", request=written("POST", path, fields, b"{}"), status=400, code="bad_request"
            )
            for path in paths
        ],
    )


def test_two_gateway_keys_are_one_too_many(stack: Stack) -> None:
    """Whose call it is cannot be known, so nobody's record says that it was theirs."""
    request = chat().written(stack.key, x_api_key=stack.own_key)
    run(stack, [Case(name="two", family="openai", request=request, status=400, code="bad_request", known=False)])


def test_what_is_no_http_gets_a_plain_answer_and_an_end(stack: Stack) -> None:
    """No dialect, no call, no record: a 400, and the connection is closed."""
    good = chat().written(stack.key)
    bad = (
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        good.replace(b"HTTP/1.1", b"HTTP/9.9"),
        good.replace(b"content-length: ", b"content-length: x"),
        good.replace(b"content-length", b"transfer-encoding: chunked\r\ncontent-length"),
        good.replace(b"host: gateway", b"host: gate\x00way"),
        good.replace(b"host: gateway", b"host: " + b"g" * 1_000_000),
    )
    known, received = len(stack.calls()), stack.billed()["received"]

    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(exchange(stack.gateway_url, request) for request in bad))

    for answer in asyncio.run(all_of_them()):
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.json["error"]["code"] == "bad_request"
    time.sleep(0.3)
    assert (len(stack.calls()), stack.billed()["received"]) == (known, received)


def test_slow_senders_are_cut_off(stack: Stack) -> None:
    """A head that drips is closed without an answer; a body that drips, or stops, is told so with 408."""
    key = key_header("openai", stack.key)
    head = written("POST", "/v1/chat/completions", JSON_TYPE | key | {"content-length": "4000"})

    async def drip(first: bytes, then: bytes) -> tuple[Answer, float]:
        begun = time.monotonic()
        async with Wire(stack.gateway_url) as wire:
            await wire.send(first)

            async def pour() -> None:
                for byte in then:
                    await asyncio.sleep(0.1)
                    if not await wire.send(bytes((byte,))):
                        return

            pouring = asyncio.create_task(pour())
            answer = await wire.read()
            pouring.cancel()
        return answer, time.monotonic() - begun

    async def all_of_them() -> list[tuple[Answer, float]]:
        return await asyncio.gather(
            drip(b"", b"POST /v1/chat/completions HTTP/1.1\r\n" + b"a" * 80),
            drip(b"", b""),
            drip(head, b'{"model": "gpt-4o-mini", ' + b" " * 80),
            drip(head + b"{", b""),
        )

    known = {row["call_id"] for row in stack.calls()}
    slow_head, no_head, slow_body, no_body = asyncio.run(all_of_them())
    for answer, seconds in (slow_head, no_head):
        assert (answer.status, answer.closed) == (0, True)
        assert 1.9 < seconds < 4
    for answer, seconds in (slow_body, no_body):
        assert (answer.status, error_code("openai", answer.json)) == (408, "request_timeout")
        assert error_message(answer.json) == BODY_TOO_SLOW.message
        assert answer.headers["connection"] == "close" and 1.9 < seconds < 5
    stack.until(lambda: len(stack.calls()) >= len(known) + 2)
    rows = [row for row in stack.calls() if row["call_id"] not in known]
    assert [(row["outcome"], row["error_code"]) for row in rows] == [("refused", "request_timeout")] * 2


def test_a_stranger_cannot_go_on_sending(stack: Stack) -> None:
    """Who was refused before the body had come is not read any further."""
    head = written("POST", "/v1/chat/completions", JSON_TYPE | {"content-length": "1000000"})

    async def send_on() -> tuple[Answer, bool]:
        async with Wire(stack.gateway_url) as wire:
            await wire.send(head + b"{")
            answer = await wire.read()
            for _ in range(20):
                await asyncio.sleep(0.05)
                if not await wire.send(b" "):
                    return answer, True
        return answer, False

    answer, cut_off = asyncio.run(send_on())
    assert (answer.status, answer.headers["connection"], cut_off) == (401, "close", True)


def test_an_unknown_model_is_the_providers_to_judge(stack: Stack) -> None:
    """It passes through, and its cost is unknown, which is not zero."""
    trace = new_trace()
    request = chat(model="model-of-tomorrow").written(stack.key, **marked(trace))
    answer = asyncio.run(exchange(stack.gateway_url, request))
    row = rows_of(stack, [trace])[trace]
    assert answer.status == 200 and "x-tollhouse-cost-usd" not in answer.headers
    assert (row["price_status"], row["cost_nano_usd"], row["usage_source"]) == ("unpriced", None, "reported")
    assert (row["model"], row["requested_model"]) == ("model-of-tomorrow", "model-of-tomorrow")


def test_keys_end_when_they_are_told_to(stack: Stack) -> None:
    """A revoked key is refused within a second, an expired one from its moment on, a limited one elsewhere."""
    expires = datetime.now(UTC) + timedelta(seconds=5)
    keys = [
        make_key(stack, "--expires", expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        make_key(stack),
        make_key(stack, "--provider", "openai"),
    ]
    expiring, revoked, limited = (key["key"] for key in keys)

    def status_of(key: str, ask: Ask) -> int:
        return asyncio.run(exchange(stack.gateway_url, ask.written(key))).status

    for key in (expiring, revoked, limited):
        stack.until(lambda key=key: status_of(key, chat()) == 200, 3)
    tollhouse(stack, "keys", "revoke", keys[1]["key_id"])
    stack.until(lambda: status_of(revoked, chat()) == 401, 1)
    assert status_of(revoked, messages()) == 401
    run(
        stack,
        [
            Case(name="limited", family=ask.family, request=ask.written(limited), status=403, code="forbidden")
            for ask in (messages(), generate())
        ],
    )
    stack.until(lambda: datetime.now(UTC) > expires, 10)
    assert [status_of(expiring, chat()), status_of(limited, chat())] == [401, 200]


def make_key(stack: Stack, *options: str) -> dict[str, Any]:
    """A key of the demo workspace, as its operator makes it."""
    made = tollhouse(stack, "keys", "create", "a-test", "--workspace", "demo", *options)
    return dict(json.loads(made))


def tollhouse(stack: Stack, *arguments: str) -> str:
    """A command's output."""
    command = [sys.executable, "-m", "tollhouse.cli", *arguments, "--json", "--data-dir", str(stack.data_dir)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
