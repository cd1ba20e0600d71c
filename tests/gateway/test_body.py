"""Reading a body within its bounds, with a fake client."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tollhouse.gateway.body import read_body
from tollhouse.gateway.record import ClientGoneError
from tollhouse.gateway.request import HeaderNames, Request, request_of
from tollhouse.kernel.refusal import RefusalCode, RefusedError
from tollhouse.settings import Limits

pytestmark = pytest.mark.anyio

LIMITS = Limits(body_bytes_max=10)
JSON = (b"content-type", b"application/json")


def request(
    pieces: list[bytes],
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: bytes = b"/v1/a",
    head_too_long: bool = False,
    whole: bytes | None = None,
) -> Request:
    """A request whose body comes in these pieces, or came whole; b'gone' is where the client leaves."""
    left = list(pieces)

    async def receive() -> Mapping[str, Any]:
        piece = left.pop(0)
        if piece == b"gone":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    scope = {
        "method": method,
        "raw_path": path,
        "query_string": b"a=1",
        "headers": [(b"host", b"gateway"), *headers],
        "tollhouse.edge": SimpleNamespace(take_body=lambda: whole),
        "tollhouse.head_too_long": head_too_long,
    }
    return request_of(scope, receive, 5.0)


async def read(request: Request) -> tuple[bytes, int]:
    """The body, and the size that the record was told."""
    record: Any = SimpleNamespace(request_bytes=0, body_too_slow=False)
    return await read_body(record, request, LIMITS), record.request_bytes


@pytest.mark.parametrize("pieces", [[b""], [b"abc"], [b"a", b"", b"bc"], [b"a" * 10]])
async def test_a_body_within_the_bound_is_put_together(pieces: list[bytes]) -> None:
    """However it is cut."""
    body = b"".join(pieces)
    assert await read(request(pieces, JSON)) == (body, len(body))
    assert await read(request([], JSON, whole=body)) == (body, len(body))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (request([b"a" * 6, b"a" * 5], JSON), RefusalCode.TOO_LARGE),
        (request([b""], JSON, whole=b"a" * 11), RefusalCode.TOO_LARGE),
        (request([], JSON, (b"content-length", b"11")), RefusalCode.TOO_LARGE),
        (request([], JSON, head_too_long=True), RefusalCode.TOO_LARGE),
        (request([], JSON, (b"content-encoding", b"gzip")), RefusalCode.BAD_REQUEST),
        (request([], (b"content-type", b"text/plain")), RefusalCode.BAD_REQUEST),
    ],
)
async def test_what_is_wrong_is_said_before_more_is_read(bad: Request, code: RefusalCode) -> None:
    """Most of it before a byte of the body."""
    with pytest.raises(RefusedError) as refused:
        await read(bad)
    assert refused.value.refusal.code is code


@pytest.mark.parametrize(
    "fine",
    [
        request([b"x"]),
        request([b"x"], (b"content-type", b"application/vnd.api+JSON; charset=utf-8")),
        request([b"x"], (b"content-encoding", b"Identity"), JSON),
        request([b"x"], (b"content-type", b"audio/wav"), path=b"/providers/p/x"),
        request([b""], (b"content-type", b"text/plain"), method="GET"),
        request([b""], (b"content-type", b"text/plain"), (b"content-length", b"0")),
    ],
)
async def test_other_types_pass_where_they_may(fine: Request) -> None:
    """No type, any JSON, anything to a raw path, anything without a body."""
    assert (await read(fine))[0] in (b"", b"x")


async def test_a_client_that_leaves_is_noticed() -> None:
    """There is nobody to answer."""
    with pytest.raises(ClientGoneError):
        await read(request([b"a", b"gone"], JSON))


def test_a_request_has_a_new_id_and_its_fields_by_name() -> None:
    """The id embeds the moment; of a repeated field the last counts."""
    one, other = request([], (b"a", b"1"), (b"a", b"2")), request([])
    assert one.call_id != other.call_id
    assert int(one.call_id[:12], 16) == one.started_ms
    assert one.fields == {b"host": b"gateway", b"a": b"2"}
    assert (one.started_s, one.raw_path, one.query) == (5.0, "/v1/a", b"a=1")
    assert "a" in HeaderNames(one.fields) and "b" not in HeaderNames(one.fields)


async def test_a_request_has_one_host() -> None:
    """Two readers would disagree on which counts."""
    with pytest.raises(RefusedError) as refused:
        await read(request([b"{}"], (b"host", b"other")))
    assert refused.value.refusal.code is RefusalCode.BAD_REQUEST
