"""Head: all that a request's head says - who calls, which API it speaks, whom it is booked to, what goes on upstream.

Clients send the same head again and again, so what was read of one is remembered by its digest. What is remembered
holds no credential, and none can be had from it: the digest is keyed, and a call is recognised only by one who sends
the same key again. It is forgotten when the keys of the snapshot change, and an expiry is looked at each time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime

import msgspec

from tollhouse.attribution.model import Labels
from tollhouse.attribution.rules import Wishes, attribute, overruled_flags, read_wishes
from tollhouse.gateway.body import objection_to
from tollhouse.gateway.headers import accepted_encoding, not_upstream
from tollhouse.gateway.request import HeaderNames, Request
from tollhouse.gateway.respond import family_of
from tollhouse.identity.keys import Pepper
from tollhouse.identity.model import Caller, KeyGrant
from tollhouse.identity.rules import authenticate, find_credentials
from tollhouse.kernel.ids import KeyId
from tollhouse.kernel.refusal import Refusal
from tollhouse.routing.model import Provider
from tollhouse.wire.call import Family, Route
from tollhouse.wire.paths import match

REMEMBERED_MAX = 4096
"""Heads that are remembered; beyond it all are forgotten together, which costs each caller one reading."""

REMEMBERED_BYTES_MAX = 8192
"""A longer head is read each time, so that what is remembered is bounded in bytes too."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """The fixed parts of the requests that one head leads to at one provider, which is as the snapshot has it; no text
    here holds a key."""

    provider: Provider
    start: bytes
    """Request line and `host`."""
    dropped: frozenset[bytes]
    """Names of the client's fields that do not go on."""
    end: bytes
    """The fields behind the client's, for an answer in one piece."""
    end_streaming: bytes
    """The same, for a stream."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that a head was read and its caller's key checked. Made by `read_head` alone.

    What was found wrong stands in the place of what was asked for: it is said when the call's turn comes to it.
    """

    caller: Caller
    mode: str
    """One of `CredentialMode`."""
    route: Route | Refusal
    objection: Refusal | None
    """Why its body is not read."""
    labels: Labels | Refusal
    """Without what the body's metadata may add."""
    flags: tuple[str, ...]
    wishes: Wishes | Refusal
    query: bytes
    """What of the query goes on."""
    names: frozenset[bytes]
    dropped: frozenset[bytes]
    """Names of the fields that do not go on, whoever the provider is."""
    encoding: bytes
    """What a whole answer may be encoded as."""
    ways: dict[str, Way]
    """By provider, what its calls to that provider have in common: filled by `send.way_of`."""
    origins: dict[tuple[int, str | None, bool], bytes]
    """What its calls have in common, as their records begin; by snapshot, provider and whether the body was read."""


class Heads:
    """Reads heads, and remembers those that were in order."""

    def __init__(self, peppers: Mapping[int, Pepper]) -> None:
        self._peppers = peppers
        self._digest = hashlib.blake2b(digest_size=20, key=os.urandom(32))
        self._keys: Mapping[KeyId, KeyGrant] = {}
        self._known: dict[bytes, Head] = {}
        """By digest; of one snapshot's keys alone."""

    def read(self, request: Request, keys: Mapping[KeyId, KeyGrant], now: datetime) -> Head | Refusal:
        """What this head says; a refusal where nobody is known by it."""
        if keys is not self._keys:
            # Another snapshot: somebody may have been revoked, and what the old one held is let go.
            self._keys, self._known = keys, {}
        text = b"\n".join([request.method, request.target, *map(b": ".join, request.headers)])
        hashed = self._digest.copy()
        hashed.update(text)
        digest = hashed.digest()
        known = self._known.get(digest)
        if known is not None:
            valid_to = known.caller.grant.valid_to
            if valid_to is None or valid_to > now:
                return known
        head = read_head(request, keys, self._peppers, now)
        # A query may hold a provider's key that is only passed through.
        if isinstance(head, Head) and not head.query and len(text) <= REMEMBERED_BYTES_MAX:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[digest] = head
        return head


def read_head(
    request: Request, keys: Mapping[KeyId, KeyGrant], peppers: Mapping[int, Pepper], now: datetime
) -> Head | Refusal:
    """All of it, from the head alone, before the body is read: strangers buy no parsing."""
    headers = request.headers
    credentials = find_credentials(headers, request.query)
    if isinstance(credentials, Refusal):
        return credentials
    caller = authenticate(credentials, keys, peppers, now)
    if isinstance(caller, Refusal):
        return caller
    fields = dict(headers)
    grant = caller.grant
    return Head(
        caller=caller,
        mode=credentials.mode,
        route=match(request.method.decode("ascii"), request.path, HeaderNames(fields)),
        objection=objection_to(request, fields),
        labels=attribute(headers, {}, grant.fixed_labels, grant.default_labels),
        flags=overruled_flags(headers, {}, grant.fixed_labels),
        wishes=read_wishes(headers),
        query=credentials.query,
        names=frozenset(fields),
        dropped=not_upstream(headers, fields, credentials.drop_headers),
        encoding=accepted_encoding(fields.get(b"accept-encoding")),
        ways={},
        origins={},
    )


def family_of_request(request: Request) -> Family:
    """Whose SDK speaks: for the shape of a refusal."""
    names = HeaderNames(dict(request.headers))
    route = match(request.method.decode("ascii"), request.path, names)
    return family_of(request.path, names) if isinstance(route, Refusal) else route.family
