"""The client's side as a protocol: bounds of heads, deadlines of heads and of clients, what is no request of ours."""

from __future__ import annotations

import asyncio

import pytest

from clients import Client, FakeTransport, answer, now_s
from tollhouse.gateway.edge import listen
from tollhouse.gateway.respond import family_of, refuse
from tollhouse.kernel.ids import request_id
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.settings import Limits
from tollhouse.wire.call import Family

pytestmark = pytest.mark.anyio

LIMITS = Limits(
    head_bytes_max=1000, head_fields_max=5, head_timeout_s=10.0, idle_timeout_s=30.0, keep_alive_timeout_s=60.0
)
HEAD = b"POST /v1/a HTTP/1.1\r\nhost: h\r\n"


@pytest.fixture
async def client() -> Client:
    """One that has just connected; what it asks is not answered."""
    return Client(LIMITS)


@pytest.mark.parametrize(
    ("fields", "too_long"),
    [
        (b"a: b\r\n" * 4, False),
        (b"a: b\r\n" * 5, True),
        (b"a: b\r\n" * 3 + b"content-length: 0\r\n", False),
        (b"a: b\r\n" * 4 + b"content-length: 0\r\n", True),
        (b"a: " + b"b" * 900 + b"\r\n", False),
        (b"a: " + b"b" * 990 + b"\r\n", True),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
async def test_a_head_has_so_many_bytes_and_fields(client: Client, fields: bytes, too_long: bool, cut: bool) -> None:
    """Beyond that the corridor is told; `host` and `content-length` are fields, and pieces make no difference."""
    head = HEAD + fields + b"\r\n"
    client.send(*((head[:60], head[60:]) if cut else (head,)))
    assert client.request.head_too_long == too_long


async def test_a_body_in_the_same_piece_is_no_part_of_the_head(client: Client) -> None:
    """However long it is."""
    client.send(HEAD + b"content-length: 5000\r\n\r\n" + b"a" * 5000)
    assert not client.request.head_too_long


async def test_a_head_that_goes_on_and_on_is_answered_at_once(client: Client) -> None:
    """Without waiting for its end: a bound's worth behind the first piece, nothing more is read."""
    client.send(HEAD + b"a: b", b"b" * 600)
    assert not client.transport.closed
    client.send(b"b" * 600)
    assert client.received.startswith(b"HTTP/1.1 400 ") and client.transport.closed
    client.send(b"\r\n\r\n")
    assert (client.answers, client.requests) == (1, [])


async def test_the_next_head_is_measured_anew(client: Client) -> None:
    """A long head before it does not count."""
    client.send(HEAD + b"a: b\r\n" * 6 + b"content-length: 0\r\n\r\n")
    assert client.request.head_too_long
    answer(client.request)
    client.send(HEAD + b"a: " + b"b" * 900 + b"\r\n\r\n")
    assert (len(client.requests), client.request.head_too_long) == (2, False)


async def test_a_slow_head_is_cut_off(client: Client) -> None:
    """From the connection's first moment, whether anything came or not; not any more once the head is there."""
    begun_s = now_s()
    client.edge.expire(begun_s + 9)
    assert not client.transport.aborted
    client.send(HEAD)
    client.edge.expire(begun_s + 11)
    assert client.transport.aborted
    waiting = Client(LIMITS)
    waiting.send(HEAD + b"\r\n")
    waiting.edge.expire(begun_s + 1000)
    assert not waiting.transport.is_closing()


async def test_the_next_head_has_its_own_time(client: Client) -> None:
    """It begins with its first byte."""
    client.send(HEAD + b"content-length: 0\r\n\r\n")
    answer(client.request)
    client.send(b"POST ")
    client.edge.expire(now_s() + 9)
    assert not client.transport.is_closing()
    client.edge.expire(now_s() + 11)
    assert client.transport.aborted


async def test_a_client_that_does_not_read_is_cut_off(client: Client) -> None:
    """Reading on in time spares it."""
    client.send(HEAD + b"\r\n")
    begun_s = now_s()
    client.edge.pause_writing()
    client.edge.expire(begun_s + 29)
    client.edge.resume_writing()
    client.edge.expire(begun_s + 31)
    assert not client.transport.aborted
    client.edge.pause_writing()
    client.edge.expire(begun_s + 32)
    assert client.transport.aborted


@pytest.mark.parametrize("ends", [b"", b"connection: close\r\n"])
async def test_an_answer_that_is_not_read_is_not_kept_for_ever(client: Client, ends: bytes) -> None:
    """Also when it is complete, whether the connection goes on or not."""
    client.send(HEAD + ends + b"content-length: 0\r\n\r\n")
    client.edge.pause_writing()
    answer(client.request)
    client.edge.expire(now_s() + 29)
    assert not client.transport.aborted
    client.edge.expire(now_s() + 32)
    assert client.transport.aborted


async def test_whoever_waits_for_the_client_is_told_when_it_leaves(client: Client) -> None:
    """At once, and once."""
    left: list[bool] = []
    client.send(HEAD + b"content-length: 5\r\n\r\nab")
    request = client.request
    request.on_gone = lambda: left.append(request.gone)
    assert request.sending and not request.gone
    client.leave()
    assert left == [True]


async def test_who_has_had_its_answer_may_leave(client: Client) -> None:
    """Nobody is told: the call is over."""
    client.send(HEAD + b"content-length: 0\r\nconnection: close\r\n\r\n")
    left: list[bool] = []
    client.request.on_gone = lambda: left.append(True)
    answer(client.request)
    client.leave()
    assert (left, client.request.gone) == ([], False)


@pytest.mark.parametrize(
    ("code", "closes"),
    [(RefusalCode.UNAVAILABLE, False), (RefusalCode.TOO_LARGE, True), (RefusalCode.REQUEST_TIMEOUT, True)],
)
async def test_a_refusal_says_whether_the_connection_goes_on(client: Client, code: RefusalCode, closes: bool) -> None:
    """With the id where each SDK looks for it, and when to come back."""
    client.send(HEAD + b"content-length: 0\r\n\r\n")
    refuse(client.request, Refusal(code=code, message="Not now.", retry_after_s=5), Family.ANTHROPIC)
    head, _, body = client.received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    identity = request_id(client.request.call_id).encode()
    assert lines[0].startswith(b"HTTP/1.1 %d " % code.status)
    assert {b"x-tollhouse-request-id: " + identity, b"request-id: " + identity} <= set(lines)
    retry = b"true" if code is RefusalCode.UNAVAILABLE else b"false"
    assert {b"x-should-retry: " + retry, b"retry-after: 5", b"content-length: %d" % len(body)} <= set(lines)
    assert (b"connection: close" in lines, client.transport.closed) == (closes, closes)
    assert b'"code":"%b"' % code.code.encode() in body


@pytest.mark.parametrize(
    "framing", [b"content-length: 9\r\n\r\nhalf", b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
async def test_a_refusal_before_the_end_of_a_body_ends_the_connection(client: Client, framing: bytes) -> None:
    """Whatever it says: nobody reads on, and what follows is not taken for a request."""
    client.send(HEAD + framing)
    refuse(client.request, Refusal(code=RefusalCode.UNAVAILABLE, message="Not now."), Family.OPENAI)
    assert b"\r\nconnection: close\r\n" in client.received and client.transport.closed
    client.send(b"12345" + HEAD + b"\r\n")
    assert (client.answers, len(client.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("path", "names", "family"),
    [
        ("/messages", (), Family.ANTHROPIC),
        ("/nowhere", ("anthropic-version",), Family.ANTHROPIC),
        ("/nowhere", ("x-goog-api-key",), Family.GEMINI),
        ("/v1beta/x", (), Family.GEMINI),
        ("/a:streamGenerateContent", (), Family.GEMINI),
        ("/model/a/converse", (), Family.BEDROCK),
        ("/nowhere", (), Family.OPENAI),
    ],
)
async def test_even_a_path_that_is_none_of_ours_has_a_family(path: str, names: tuple[str, ...], family: Family) -> None:
    """So that its sender can read the refusal."""
    assert family_of(path, names) is family


UPGRADE = b"connection: upgrade\r\nUpgrade: h2c\r\ncontent-length: 2\r\n\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n"


async def test_an_offer_to_switch_protocols_is_ignored(client: Client) -> None:
    """As RFC 9110 allows: the request goes on as if it had not been made, its body included."""
    client.send(HEAD + UPGRADE, b"{}")
    assert (client.request.take_body(), client.received) == (b"{}", b"")
    assert b"upgrade" not in [name for name, _ in client.request.headers]


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + UPGRADE[:25], UPGRADE[25:] + b"{}" + NEXT),
        (HEAD + UPGRADE[:25], UPGRADE[25:], b"{}", NEXT),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n" + NEXT,),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", NEXT),
    ],
    ids=["an offer cut in two", "its body by itself", "CONNECT", "CONNECT by itself"],
)
async def test_nothing_is_smuggled_behind_a_switch_of_protocols(pieces: tuple[bytes, ...]) -> None:
    """Where the offer cannot be ignored the connection ends: what follows is never taken for a request."""
    client = Client(LIMITS)
    client.send(*pieces)
    for request in client.requests:
        answer(request)
    await asyncio.sleep(0)
    assert client.answers == 1 and client.transport.closed
    assert [request.target for request in client.requests] in ([], [b"/v1/a"])


@pytest.mark.parametrize("switch", [b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", HEAD + UPGRADE + b"{}"])
async def test_a_request_before_a_switch_of_protocols_is_answered(client: Client, switch: bytes) -> None:
    """In one piece with it: the request is in order, what follows it is not served."""
    client.send(HEAD + b"content-length: 2\r\n\r\n{}" + switch + NEXT)
    assert (len(client.requests), client.received) == (1, b"")
    assert client.request.take_body() == b"{}"
    answer(client.request)
    await asyncio.sleep(0)
    assert (client.answers, len(client.requests)) == (1, 1)
    assert client.received.startswith(b"HTTP/1.1 200 ") and client.transport.closed


async def test_trailers_are_no_fields_of_the_head(client: Client) -> None:
    """Dropped, and bounded: a head has said all that a request may say."""
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    client.send(chunked + b"x-tollhouse-team: late\r\n\r\n")
    assert [name for name, _ in client.request.headers] == [b"host", b"transfer-encoding"]
    assert client.request.take_body() == b"{}"
    answer(client.request)
    assert not client.transport.closed
    client.send(chunked, b"x: " + b"y" * 1200 + b"\r\n\r\n")
    assert client.transport.closed


async def test_a_blank_line_does_not_keep_an_idle_connection(client: Client) -> None:
    """Only the beginning of a request ends the wait for one."""
    client.send(HEAD + b"content-length: 0\r\n\r\n")
    client.edge.expire(now_s() + 1000)
    assert not client.transport.is_closing()
    answer(client.request)
    idle_since_s = client.edge.idle_since_s
    assert idle_since_s is not None
    client.send(b"\r\n", b"\r\n")
    assert client.edge.idle_since_s == idle_since_s
    client.edge.expire(idle_since_s + 59)
    assert not client.transport.is_closing()
    client.edge.expire(idle_since_s + 61)
    assert client.transport.closed


async def test_a_request_that_begins_ends_the_wait_for_one(client: Client) -> None:
    """From then on its head has a deadline of its own."""
    client.send(HEAD + b"content-length: 0\r\n\r\n")
    answer(client.request)
    client.send(HEAD)
    assert client.edge.idle_since_s is None and client.edge.head_since_s is not None


async def test_too_many_connections_are_told_so() -> None:
    """The one above the bound is answered with 503 and closed; the others go on, and another one where one has gone."""
    factory, connections = listen(answer, LIMITS, connections_max=1)
    made = [(factory(), FakeTransport()) for _ in range(3)]
    for edge, transport in made[:2]:
        edge.connection_made(transport)
    (first, kept), (second, told), (third, later) = made
    assert told.written.startswith(b"HTTP/1.1 503 ") and told.closed
    second.data_received(NEXT)
    assert told.written.count(b"HTTP/1.1 ") == 1
    first.data_received(NEXT)
    assert kept.written.startswith(b"HTTP/1.1 200 ") and not kept.closed
    second.connection_lost(None)
    first.connection_lost(None)
    third.connection_made(later)
    assert connections == {third} and not later.closed
