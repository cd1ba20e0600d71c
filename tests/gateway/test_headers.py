"""Which header fields travel, in both directions."""

from __future__ import annotations

import pytest

from tollhouse.gateway.headers import Header, answer_head, upstream_head
from tollhouse.routing.model import Provider
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

ROUTE = Route(
    family=Family.OPENAI,
    dialect=Dialect.OPENAI_CHAT,
    operation=Operation.CHAT,
    provider=None,
    upstream_path="/v1/chat/completions",
)


def provider_at(scheme: str = "https", host: str = "api.example.com", port: int = 443) -> Provider:
    """A provider somewhere."""
    return Provider(name="p", kind="openai", scheme=scheme, host=host, port=port)


def fields_of(head: bytes) -> list[Header]:
    """Header lines, taken apart; each is ended properly."""
    lines = head.split(b"\r\n")
    assert lines.pop() == b""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def sent(
    received: list[Header],
    *,
    stream: bool = False,
    credential: Header | None = None,
    carriers: frozenset[bytes] = frozenset(),
    provider: Provider | None = None,
) -> list[Header]:
    """What goes upstream of what came."""
    call = Call(route=ROUTE, model="m", stream=stream, body=b"{}")
    return fields_of(
        upstream_head(
            received, dict(received), call, provider or provider_at(), credential=credential, carriers=carriers
        )
    )


def test_what_is_the_providers_goes_on_in_order_with_repetitions() -> None:
    """Nothing is renamed, sorted or joined."""
    received = [(b"openai-beta", b"a"), (b"x-b", b"1"), (b"openai-beta", b"c"), (b"user-agent", b"sdk/1 \xe9")]
    assert sent(received) == [(b"host", b"api.example.com"), *received, (b"accept-encoding", b"identity")]


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
    carriers = frozenset((b"authorization", b"x-tollhouse-key"))
    assert sent(received, credential=(b"authorization", b"Bearer sk-real"), carriers=carriers) == [
        (b"host", b"api.example.com"),
        (b"x-kept", b"yes"),
        (b"accept-encoding", b"identity"),
        (b"authorization", b"Bearer sk-real"),
    ]


def test_connection_may_stand_twice() -> None:
    """What either names is dropped."""
    received = [(b"connection", b"x-one"), (b"connection", b"close"), (b"x-one", b"1"), (b"x-two", b"2")]
    assert [name for name, _ in sent(received)] == [b"host", b"x-two", b"accept-encoding"]


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
    assert sent([(b"host", b"gateway.internal")], provider=provider)[0] == (b"host", host)


@pytest.mark.parametrize(
    ("accepted", "stream", "asked"),
    [
        (None, False, b"identity"),
        (b"gzip, deflate, br", False, b"gzip"),
        (b"br, zstd", False, b"identity"),
        (b"*", False, b"gzip"),
        (b"gzip;q=0", False, b"identity"),
        (b"gzip; q=0.000, br", False, b"identity"),
        (b"gzip;q=0.5", False, b"gzip"),
        (b"GZIP", False, b"gzip"),
        (b"gzip", True, b"identity"),
    ],
)
def test_only_an_encoding_that_both_can_read_is_asked_for(accepted: bytes | None, stream: bool, asked: bytes) -> None:
    """So that usage is seen as it passes."""
    received = [] if accepted is None else [(b"accept-encoding", accepted)]
    assert sent(received, stream=stream)[-1] == (b"accept-encoding", asked)


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
    assert fields_of(answer_head(received, dict(received))) == [
        (b"content-type", b"application/json"),
        (b"x-request-id", b"req_1"),
        (b"date", b"now"),
    ]
