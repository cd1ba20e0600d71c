"""Reading a body within its bounds, from a client that sends it in pieces."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from clients import Client
from tollhouse.gateway.body import objection_to, read_body
from tollhouse.gateway.request import ClientGoneError
from tollhouse.kernel.refusal import RefusalCode, RefusedError
from tollhouse.settings import Limits
from walking import walked

pytestmark = pytest.mark.anyio

LIMITS = Limits(body_bytes_max=10, head_fields_max=6)
JSON = b"content-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"


class Sent(msgspec.Struct, frozen=True):
    """What a client sends: fields of the head, and the pieces of its body; b'gone' is where it leaves."""

    fields: bytes
    pieces: tuple[bytes, ...] = ()
    start: bytes = b"POST /v1/a"
    at_once: bool = False
    """Head and body in one piece."""


async def read(sent: Sent) -> tuple[bytes, int]:
    """The body, and the size that the record was told."""
    client = Client(LIMITS)
    framing = CHUNKED if sent.pieces else b""
    head = sent.start + b" HTTP/1.1\r\nhost: gateway\r\n" + framing + sent.fields + b"\r\n"
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) if piece != b"gone" else piece for piece in sent.pieces if piece]
    if sent.pieces and pieces[-1:] != [b"gone"]:
        pieces.append(b"0\r\n\r\n")
    client.send(head + b"".join(pieces) if sent.at_once else head)
    meter = SimpleNamespace(request_bytes=0)
    request = client.request
    objection = objection_to(request, dict(request.headers))
    reading = asyncio.ensure_future(walked(read_body(meter, request, objection, LIMITS)))
    await asyncio.sleep(0)
    for piece in () if sent.at_once else pieces:
        if piece == b"gone":
            client.leave()
        elif not reading.done():
            client.send(piece)
    # Whatever is decided, nothing more has to come for it.
    return await asyncio.wait_for(reading, 1.0), meter.request_bytes


@pytest.mark.parametrize("pieces", [(b"",), (b"abc",), (b"a", b"", b"bc"), (b"a" * 10,), (b"a",) * 10])
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_body_within_the_bound_is_put_together(pieces: tuple[bytes, ...], at_once: bool) -> None:
    """However it is cut."""
    body = b"".join(pieces)
    assert await read(Sent(JSON, pieces, at_once=at_once)) == (body, len(body))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (Sent(JSON, (b"a" * 6, b"a" * 5)), RefusalCode.TOO_LARGE),
        (Sent(JSON, (b"a" * 11,), at_once=True), RefusalCode.TOO_LARGE),
        (Sent(JSON + b"content-length: 11\r\n"), RefusalCode.TOO_LARGE),
        (Sent(JSON + b"content-length: 5\r\n" + b"a: b\r\n" * 4), RefusalCode.TOO_LARGE),
        (Sent(JSON + b"content-length: 5\r\ncontent-encoding: gzip\r\n"), RefusalCode.BAD_REQUEST),
        (Sent(b"content-length: 5\r\ncontent-type: text/plain\r\n"), RefusalCode.BAD_REQUEST),
        (Sent(b"content-type: text/plain\r\n", (b"x",), at_once=True), RefusalCode.BAD_REQUEST),
        (Sent(JSON + b"content-length: 5\r\nhost: other\r\n"), RefusalCode.BAD_REQUEST),
        (Sent(JSON + b"content-length: 5\r\nhost: gateway\r\n"), RefusalCode.BAD_REQUEST),
    ],
)
async def test_what_is_wrong_is_said_before_more_is_read(bad: Sent, code: RefusalCode) -> None:
    """Most of it before a byte of the body: here none comes, where the head tells enough. Two hosts could be read in
    two ways."""
    with pytest.raises(RefusedError) as refused:
        await read(bad)
    assert refused.value.refusal.code is code


@pytest.mark.parametrize(
    "fine",
    [
        Sent(b"", (b"x",)),
        Sent(b"content-type: application/vnd.api+JSON; charset=utf-8\r\n", (b"x",)),
        Sent(b"content-encoding: Identity\r\n" + JSON, (b"x",)),
        Sent(b"content-type: audio/wav\r\n", (b"x",), start=b"POST /providers/p/x"),
        Sent(b"content-type: text/plain\r\n", start=b"GET /v1/a"),
        Sent(b"content-type: text/plain\r\ncontent-length: 0\r\n"),
        Sent(b"a: 1\r\na: 2\r\n", (b"x",)),
    ],
)
async def test_other_types_pass_where_they_may(fine: Sent) -> None:
    """No type, any JSON, anything to a raw path, anything without a body; and a field that is no host may repeat."""
    body = b"".join(fine.pieces)
    assert await read(fine) == (body, len(body))


async def test_a_client_that_leaves_is_noticed() -> None:
    """There is nobody to answer."""
    with pytest.raises(ClientGoneError):
        await read(Sent(JSON, (b"a", b"gone")))


async def test_a_request_has_one_host() -> None:
    """Also one that names none is refused."""
    client = Client(LIMITS)
    client.send(b"POST /v1/a HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
    refusal = objection_to(client.request, dict(client.request.headers))
    assert refusal is not None and refusal.code is RefusalCode.BAD_REQUEST
