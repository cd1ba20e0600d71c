"""Which headers travel: everything but a deny list, in order, duplicates kept. Pure.

Never upstream: hop-by-hop fields (RFC 9110 §7.6.1) and those that `Connection` names, `Host` and lengths (rewritten),
cookies, ours, and the fields that carried the gateway key. Never back: hop-by-hop fields, cookies, and anything that
claims to be ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

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
_NONE: frozenset[bytes] = frozenset()
PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))
NEVER_BACK = HOP_BY_HOP | {b"content-length", b"set-cookie", b"set-cookie2"}


def upstream_head(
    received: Collection[Header],
    fields: Mapping[bytes, bytes],
    call: Call,
    provider: Provider,
    *,
    credential: Header | None,
    carriers: frozenset[bytes],
) -> bytes:
    """The header lines of the provider's request, but for `content-length`.

    `fields` are those received by name; `carriers` those that held the gateway key; `credential` is the provider's key
    where the vault gives it. Names and values were taken apart by a parser, so that no line can hide in them.
    """
    dropped = union(NEVER_UPSTREAM, carriers)
    if b"connection" in fields:
        dropped |= _named_by_connection(received, fields)
    lines = [
        b"%b: %b\r\n" % field
        for field in received
        if field[0] not in dropped and (field[0][:2] != b"x-" or not field[0].startswith(OWN_PREFIXES))
    ]
    lines.append(b"accept-encoding: %b\r\n" % _accepted_encoding(fields.get(b"accept-encoding"), call))
    if credential is not None:
        lines.append(b"%b: %b\r\n" % credential)
    return b"host: %b\r\n%b" % (_host(provider), b"".join(lines))


def answer_head(received: Collection[Header], fields: Mapping[bytes, bytes]) -> bytes:
    """The provider's header lines that the client receives, but for `content-length`."""
    dropped = NEVER_BACK
    if b"connection" in fields:
        dropped |= _named_by_connection(received, fields)
    return b"".join(
        [
            b"%b: %b\r\n" % field
            for field in received
            if field[0] not in dropped and (field[0][:2] != b"x-" or not field[0].startswith(OWN_PREFIXES))
        ]
    )


def _named_by_connection(received: Collection[Header], fields: Mapping[bytes, bytes]) -> frozenset[bytes]:
    """The fields that `Connection` names, which may itself stand more than once."""
    if fields[b"connection"] in PLAIN_CONNECTION and len(fields) == len(received):
        return _NONE
    values = (value for name, value in received if name == b"connection")
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


@lru_cache(maxsize=64)
def union(one: frozenset[bytes], other: frozenset[bytes]) -> frozenset[bytes]:
    """Both sets of names; the few that there are were put together before."""
    return one | other


def _host(provider: Provider) -> bytes:
    return _host_of(provider.scheme, provider.host, provider.port)


@lru_cache(maxsize=1024)
def _host_of(scheme: str, host: str, port: int) -> bytes:
    default = 443 if scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    return (shown if port == default else f"{shown}:{port}").encode()


def _accepted_encoding(accepted: bytes | None, call: Call) -> bytes:
    """`identity` for streams, so that events are seen as they pass; else gzip if the client takes it."""
    if call.stream or accepted is None or accepted == b"identity":
        return b"identity"
    return _gzip_or_identity(accepted)


@lru_cache(maxsize=64)
def _gzip_or_identity(accepted: bytes) -> bytes:
    for part in accepted.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        if coding.strip() in (b"gzip", b"*") and parameters.replace(b" ", b"").rstrip(b".0") != b"q=":
            return b"gzip"
    return b"identity"
