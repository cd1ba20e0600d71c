"""Which header fields travel, in both directions."""

from __future__ import annotations

import pytest

from clients import Client
from granted import Granted
from tollhouse.gateway.head import Head, Heads
from tollhouse.gateway.headers import Header, accepted_encoding, answer_lines, field_lines, host_of, not_upstream
from tollhouse.gateway.send import way_of
from tollhouse.routing.model import Provider
from tollhouse.settings import Limits
from tollhouse.wire.call import Call, Route


def provider_at(scheme: str = "https", host: str = "api.example.com", port: int = 443) -> Provider:
    """A provider somewhere."""
    return Provider(name="p", kind="openai", scheme=scheme, host=host, port=port)


def fields_of(lines: bytes) -> list[Header]:
    """Header lines, taken apart; each is ended properly."""
    taken = lines.split(b"\r\n")
    assert taken.pop() == b""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in taken)]


def sent(received: list[Header], *carriers: bytes) -> list[Header]:
    """What goes upstream of what came, where some fields carried the gateway key."""
    return fields_of(field_lines(received, not_upstream(received, dict(received), frozenset(carriers))))


def test_what_is_the_providers_goes_on_in_order_with_repetitions() -> None:
    """Nothing is renamed, sorted or joined."""
    received = [(b"openai-beta", b"a"), (b"x-b", b"1"), (b"openai-beta", b"c"), (b"user-agent", b"sdk/1 \xe9")]
    assert sent(received) == received
    assert sent([]) == []


def test_what_is_between_neighbours_or_ours_stays() -> None:
    """Hop-by-hop fields and those that `Connection` names, lengths, cookies, our prefixes, and the gateway key."""
    received = [
        (b"connection", b"X-Hop, keep-alive"),
        (b"x-hop", b"1"),
        (b"keep-alive", b"5"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"2"),
        (b"expect", b"100-continue"),
        (b"cookie", b"a=b"),
        (b"proxy-authorization", b"secret"),
        (b"x-tollhouse-key", b"th_live_a"),
        (b"x-tollhouse-team", b"ml"),
        (b"x-modeltrack-app", b"a"),
        (b"x-modelspend-customer-id", b"c"),
        (b"authorization", b"Bearer th_live_a"),
        (b"x-kept", b"yes"),
    ]
    assert sent([*received, (b"accept-encoding", b"br"), (b"host", b"gateway")], b"authorization") == [
        (b"x-kept", b"yes")
    ]
    assert (b"authorization", b"Bearer th_live_a") in sent(received)


def test_connection_may_stand_twice() -> None:
    """What either names is dropped."""
    received = [(b"connection", b"x-one"), (b"connection", b"close"), (b"x-one", b"1"), (b"x-two", b"2")]
    assert sent(received) == [(b"x-two", b"2")]
    plain = [(b"connection", b"keep-alive"), (b"x-one", b"1"), (b"x-one", b"2")]
    assert sent(plain) == plain[1:]


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        (provider_at(), b"api.example.com"),
        (provider_at(port=8443), b"api.example.com:8443"),
        (provider_at(scheme="http", port=80), b"api.example.com"),
        (provider_at(scheme="http", port=443), b"api.example.com:443"),
        (provider_at(host="fd00::1", port=8000), b"[fd00::1]:8000"),
    ],
)
def test_the_host_is_the_providers(provider: Provider, host: bytes) -> None:
    """Whatever the client said, with the port where it is not the scheme's."""
    assert host_of(provider) == host


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        (None, b"identity"),
        (b"identity", b"identity"),
        (b"gzip, deflate, br", b"gzip"),
        (b"br, zstd", b"identity"),
        (b"*", b"gzip"),
        (b"gzip;q=0", b"identity"),
        (b"gzip; q=0.000, br", b"identity"),
        (b"gzip;q=0.5", b"gzip"),
        (b"GZIP", b"gzip"),
    ],
)
def test_only_an_encoding_that_both_can_read_is_asked_for(accepted: bytes | None, asked: bytes) -> None:
    """So that usage is seen as it passes."""
    assert accepted_encoding(accepted) == asked


@pytest.mark.anyio
async def test_the_providers_host_comes_first_and_a_stream_is_never_encoded() -> None:
    """Around the client's own fields: what it said of the host and of encodings is replaced."""
    granted, client = Granted(), Client(Limits())
    said = b"host: gateway.internal\r\naccept-encoding: gzip\r\nx-a: 1\r\n"
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + said + b"x-api-key: " + granted.text + b"\r\n\r\n")
    head = Heads(granted.peppers).read(client.request, granted.keys, granted.now)
    assert isinstance(head, Head) and isinstance(head.route, Route)
    call = Call(route=head.route, model="m", stream=True, body=b"{}")
    way = way_of(head, client.request.method, call, provider_at())
    assert way.start == b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.example.com\r\n"
    assert fields_of(field_lines(client.request.headers, way.dropped)) == [(b"x-a", b"1")]
    assert fields_of(way.end) == [(b"accept-encoding", b"gzip")]
    assert fields_of(way.end_streaming) == [(b"accept-encoding", b"identity")]


def test_the_client_gets_the_providers_fields_but_for_cookies_and_framing() -> None:
    """And nothing that claims to be ours."""
    received = [
        (b"content-type", b"application/json"),
        (b"x-request-id", b"req_1"),
        (b"set-cookie", b"__cf=1"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"9"),
        (b"connection", b"x-hop"),
        (b"x-hop", b"1"),
        (b"x-tollhouse-cost-usd", b"0"),
        (b"date", b"now"),
    ]
    assert answer_lines(received, dict(received)) == [
        b"content-type: application/json",
        b"x-request-id: req_1",
        b"date: now",
    ]
