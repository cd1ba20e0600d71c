"""Which headers travel: everything but a deny list, in order, duplicates kept. Pure.

Never upstream: hop-by-hop fields (RFC 9110 §7.6.1) and those that `Connection` names, `Host` and lengths (rewritten),
cookies, ours, and the fields that carried the gateway key. Never back: hop-by-hop fields, cookies, and anything that
claims to be ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from tollhouse.attribution.rules import OWN_PREFIXES
from tollhouse.routing.model import Provider
from tollhouse.wire.call import Call

Header = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
NEVER_UPSTREAM = HOP_BY_HOP | {b"host", b"content-length", b"expect", b"cookie", b"cookie2", b"accept-encoding"}
NEVER_BACK = HOP_BY_HOP | {b"content-length", b"set-cookie", b"set-cookie2"}


def upstream_headers(
    received: Iterable[Header], call: Call, provider: Provider, *, credential: Header | None, carriers: frozenset[bytes]
) -> list[Header]:
    """The header fields of the provider's request, but for `content-length`.

    `carriers` are the fields that held the gateway key; `credential` is the provider's key where the vault gives it.
    """
    received = list(received)
    dropped = NEVER_UPSTREAM | carriers | _named_by_connection(received)
    if credential is not None:
        dropped |= {credential[0]}
    kept: list[Header] = [(b"host", _host(provider))]
    kept += [field for field in received if field[0] not in dropped and not field[0].startswith(OWN_PREFIXES)]
    if credential is not None:
        kept.append(credential)
    kept.append((b"accept-encoding", _accepted_encoding(received, call)))
    return kept


def answer_headers(received: Iterable[Header]) -> list[Header]:
    """The provider's header fields that the client receives, but for `content-length`."""
    received = list(received)
    dropped = NEVER_BACK | _named_by_connection(received)
    return [field for field in received if field[0] not in dropped and not field[0].startswith(OWN_PREFIXES)]


def value_of(headers: Iterable[Header], name: bytes) -> bytes | None:
    """The first value of a field, None if absent."""
    for field, value in headers:
        if field == name:
            return value
    return None


def _named_by_connection(headers: list[Header]) -> frozenset[bytes]:
    value = value_of(headers, b"connection")
    if value is None or value in (b"keep-alive", b"close", b"Keep-Alive"):
        return frozenset()
    return frozenset(token.strip().lower() for token in value.split(b","))


def _host(provider: Provider) -> bytes:
    default = 443 if provider.scheme == "https" else 80
    host = f"[{provider.host}]" if ":" in provider.host else provider.host
    return (host if provider.port == default else f"{host}:{provider.port}").encode()


def _accepted_encoding(received: list[Header], call: Call) -> bytes:
    """`identity` for streams, so that events are seen as they pass; else gzip if the client takes it."""
    if call.stream:
        return b"identity"
    accepted = value_of(received, b"accept-encoding")
    if accepted is None:
        return b"identity"
    for part in accepted.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        if coding.strip() in (b"gzip", b"*") and parameters.replace(b" ", b"") not in (
            b"q=0",
            b"q=0.0",
            b"q=0.00",
            b"q=0.000",
        ):
            return b"gzip"
    return b"identity"
