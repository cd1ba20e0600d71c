"""The desk tells what was billed and what arrived."""

from __future__ import annotations

import base64
import hashlib

import httpx2

CHAT = "/v1/chat/completions"
BODY = b'{"model": "gpt-4o",  "messages": [{"role": "user", "content": "h\xc3\xa9llo"}]}'
KEY = {"Authorization": "Bearer k"}


def test_requests_are_remembered_as_they_came(url: str) -> None:
    """Method, raw path, query, headers in their spelling and order, and the body's bytes."""
    headers = {"X-First": "1", "Authorization": "Bearer k", "x-second": "2"}
    httpx2.post(f"{url}/raw/a%2Fb?x=1&y=%20", content=BODY, headers=headers)
    httpx2.post(f"{url}/raw/large", content=bytes(1024 * 1024 + 1), headers=headers)
    small, large = httpx2.get(f"{url}/_simulator/requests?last=2").json()["requests"]
    assert (small["method"], small["path"], small["query"]) == ("POST", "/raw/a%2Fb", "x=1&y=%20")
    assert base64.b64decode(small["body_base64"]) == BODY
    sent = [header for header in small["headers"] if header[0].lower() in ("x-first", "authorization", "x-second")]
    assert sent == [["X-First", "1"], ["Authorization", "Bearer k"], ["x-second", "2"]]
    assert (large["body_base64"], large["body_bytes"]) == (None, 1024 * 1024 + 1)
    assert large["body_sha256"] == hashlib.sha256(bytes(1024 * 1024 + 1)).hexdigest()


def test_the_bill_is_told(url: str) -> None:
    """`billed` tells totals and each bill with the caller's correlation; `reset` forgets them."""
    httpx2.post(url + CHAT, content=BODY, headers=KEY | {"X-Correlation": "call-1"})
    told = httpx2.get(f"{url}/_simulator/billed").json()
    (bill,) = told["bills"]
    assert (bill["correlation"], bill["dialect"], bill["streaming"]) == ("call-1", "openai_chat", False)
    assert bill["request_sha256"] == hashlib.sha256(BODY).hexdigest()
    assert told["totals"]["input_tokens"] == bill["input_tokens"] == -(-len(BODY) // 4)
    assert httpx2.post(f"{url}/_simulator/reset").status_code == 200
    assert httpx2.get(f"{url}/_simulator/billed").json()["totals"]["calls"] == 0


def test_the_desk_refuses_what_it_does_not_know(url: str) -> None:
    """Health is told; an unknown endpoint is a 404, an unusable number a 400."""
    assert httpx2.get(f"{url}/_simulator/health").json() == {"status": "ok"}
    assert httpx2.get(f"{url}/_simulator/nothing").status_code == 404
    assert httpx2.get(f"{url}/_simulator/billed?last=x").status_code == 400
