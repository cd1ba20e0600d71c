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
_JOIN = b": ".join
PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))
NEVER_BACK = HOP_BY_HOP | {b"content-length", b"set-cookie", b"set-cookie2"}


def not_upstream(
    received: Collection[Header], fields: Mapping[bytes, bytes], carriers: frozenset[bytes]
) -> frozenset[bytes]:
    """Names of the received fields that do not go to a provider. `carriers` are those that held the gateway key."""
    own = [name for name in fields if name.startswith(OWN_PREFIXES)]
    named = _named_by_connection(received, fields) if b"connection" in fields else _NONE
    return NEVER_UPSTREAM.union(carriers, own, named)


def field_lines(received: Collection[Header], dropped: frozenset[bytes]) -> bytes:
    """The client's fields that go on, in order, as lines. A parser took them apart, so that no line can hide in one."""
    lines = list(map(_JOIN, [field for field in received if field[0] not in dropped]))
    lines.append(b"")
    return b"\r\n".join(lines)


def answer_lines(received: Collection[Header], fields: Mapping[bytes, bytes]) -> list[bytes]:
    """The provider's header lines that the client receives, without their ends, but for `content-length`."""
    dropped = NEVER_BACK
    if b"connection" in fields:
        dropped |= _named_by_connection(received, fields)
    kept = [
        field
        for field in received
        if field[0] not in dropped and (field[0][:2] != b"x-" or not field[0].startswith(OWN_PREFIXES))
    ]
    return list(map(_JOIN, kept))


def _named_by_connection(received: Collection[Header], fields: Mapping[bytes, bytes]) -> frozenset[bytes]:
    """The fields that `Connection` names, which may itself stand more than once."""
    if fields[b"connection"] in PLAIN_CONNECTION and len(fields) == len(received):
        return _NONE
    values = (value for name, value in received if name == b"connection")
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def host_of(provider: Provider) -> bytes:
    """What `Host` says to a provider, with the port where it is not the scheme's."""
    default = 443 if provider.scheme == "https" else 80
    shown = f"[{provider.host}]" if ":" in provider.host else provider.host
    return (shown if provider.port == default else f"{shown}:{provider.port}").encode()


def accepted_encoding(accepted: bytes | None) -> bytes:
    """What a whole answer may be encoded as: gzip if the client takes it. Streams are never encoded, so that events are
    seen as they pass."""
    return b"identity" if accepted is None or accepted == b"identity" else _gzip_or_identity(accepted)


@lru_cache(maxsize=64)
def _gzip_or_identity(accepted: bytes) -> bytes:
    for part in accepted.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        if coding.strip() in (b"gzip", b"*") and parameters.replace(b" ", b"").rstrip(b".0") != b"q=":
            return b"gzip"
    return b"identity"
