"""The application as a whole: keys, determinism, refusals."""

from __future__ import annotations

import httpx2
import pytest

from tollhouse.simulator.app import SimulatorApp

CHAT = "/v1/chat/completions"
BODY = b'{"model": "gpt-4o",  "messages": [{"role": "user", "content": "h\xc3\xa9llo"}]}'
KEY = {"Authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("path", "header", "shape"),
    [
        (CHAT, "authorization", ["error", "type"]),
        ("/v1/messages", "x-api-key", ["error", "type"]),
        ("/v1beta/models/gemini-x:generateContent", "x-goog-api-key", ["error", "status"]),
    ],
)
@pytest.mark.parametrize("key", [None, "sk-invalid-1", "th_live_abc"])
def test_a_key_is_needed(
    url: str, app: SimulatorApp, path: str, header: str, shape: list[str], key: str | None
) -> None:
    """No key, an invalid one, or a gateway's own gets a 401 in the provider's shape, and no bill."""
    value = f"Bearer {key}" if header == "authorization" else key
    answer = httpx2.post(url + path, content=BODY, headers={header: value} if key else {})
    assert answer.status_code == 401
    found = answer.json()
    for step in shape:
        found = found[step]
    assert found in ("invalid_request_error", "authentication_error", "UNAUTHENTICATED")
    assert app.bills.billed(None)["bills"] == []


def test_equal_requests_get_equal_bodies_with_ids_of_their_own(url: str) -> None:
    """Bodies repeat to the byte, request ids never do, and another body gets another answer."""
    first, second = (httpx2.post(url + CHAT, content=BODY, headers=KEY) for _ in range(2))
    other = httpx2.post(url + CHAT, content=BODY + b" ", headers=KEY)
    assert first.content == second.content != other.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_controls_are_part_of_the_request(url: str) -> None:
    """The same body under other controls gets another answer, not a remembered one."""
    usages = [
        httpx2.post(url + CHAT, content=BODY, headers=KEY | {"X-Simulate": f"output_tokens={number}"}).json()["usage"]
        for number in (3, 4)
    ]
    assert [usage["completion_tokens"] for usage in usages] == [3, 4]


def test_provider_headers_come_along(url: str) -> None:
    """Rate limits, timing and a cookie are there, as the real provider sends them."""
    headers = httpx2.post(url + CHAT, content=BODY, headers=KEY).headers
    for name in ("x-ratelimit-remaining-tokens", "openai-processing-ms", "set-cookie", "x-request-id", "date"):
        assert headers[name]
    anthropic = httpx2.post(f"{url}/v1/messages", content=b"{}", headers={"x-api-key": "k"})
    assert anthropic.headers["request-id"].startswith("req_011")


@pytest.mark.parametrize(
    ("path", "body", "simulate", "status"),
    [
        (CHAT, b"not json", "", 400),
        (CHAT, b"\xff", "", 400),
        (CHAT, BODY, "fault=explode", 400),
        (CHAT, BODY, "recording=none", 400),
        ("/v1/nothing", BODY, "", 404),
    ],
)
def test_what_cannot_be_answered_is_refused(url: str, path: str, body: bytes, simulate: str, status: int) -> None:
    """Unreadable bodies, misspelt controls and unknown paths get an error that says so."""
    answer = httpx2.post(url + path, content=body, headers=KEY | {"X-Simulate": simulate})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_chunked_body_is_read_whole(url: str) -> None:
    """A body without a length, in many pieces, is answered like any other."""
    pieces = (BODY[start : start + 7] for start in range(0, len(BODY), 7))
    chunked = httpx2.post(url + CHAT, content=pieces, headers=KEY)
    assert chunked.content == httpx2.post(url + CHAT, content=BODY, headers=KEY).content
