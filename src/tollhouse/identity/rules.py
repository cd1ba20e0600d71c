"""Who is calling: finds the credentials of a call in its head, and checks the gateway key among them.

A call uses exactly one mode. A gateway key where an SDK puts its key, or in `X-Tollhouse-Key` beside nothing or a
placeholder: `vault`. A gateway key in `X-Tollhouse-Key` beside a provider's key: `passthrough`. Whatever could be read
in two ways is refused, because the wrong guess sends somebody's key or bills somebody's account.
Header names are lower-case, as the edge gives them. Nothing here says whether a key id exists; no message echoes input.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote_to_bytes

import msgspec

from tollhouse.identity.keys import KEY_HEAD, KEY_PREFIX, ParsedKey, Pepper, hmac_of, parse_key
from tollhouse.identity.model import Caller, CredentialMode, KeyGrant
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.kernel.secret import Secret
from tollhouse.wire.providers import CLIENT_KEY_HEADERS, CLIENT_KEY_QUERY

OWN_KEY_HEADERS = frozenset((b"x-tollhouse-key", b"x-modeltrack-key"))
SDK_KEY_HEADERS = frozenset(name.encode() for name in CLIENT_KEY_HEADERS)
"""Where official SDKs put a key; none of these goes upstream in vault mode."""
CREDENTIAL_HEADERS = OWN_KEY_HEADERS | SDK_KEY_HEADERS
PLACEHOLDERS = frozenset(
    (
        *(
            b"",
            b"-",
            b"x",
            b"xxx",
            b"none",
            b"null",
            b"nil",
            b"undefined",
            b"empty",
            b"na",
            b"n/a",
            b"unused",
            b"dummy",
        ),
        *(b"fake", b"placeholder", b"changeme", b"not-needed", b"not-used", b"no-key", b"no-key-required"),
        *(
            b"tollhouse",
            b"sk-placeholder",
            b"sk-dummy",
            b"sk-none",
            b"sk-unused",
            b"sk-fake",
            b"sk-x",
            b"sk-xxx",
            b"sk-",
        ),
    )
)
"""What people write where an SDK insists on a key and none is needed. Closed; compared in lower case."""

_PLACEHOLDER_BYTES_MAX = max(map(len, PLACEHOLDERS))
_KEY_HEAD_BYTES = len(KEY_HEAD)
_QUERY_KEY = CLIENT_KEY_QUERY.encode()
_SIGNED_BY_AWS = b"aws4-"

NO_KEY = Refusal(
    code=RefusalCode.UNAUTHENTICATED,
    message="No gateway key. Send your Tollhouse key (th_live_…) where the SDK puts its API key, "
    "or in the X-Tollhouse-Key header beside your provider's key.",
)
BAD_KEY = Refusal(
    code=RefusalCode.UNAUTHENTICATED,
    message="The gateway key is not valid. Check that it was copied whole; "
    "if it was, ask the workspace's administrator for a new one.",
)
TWO_KEYS = Refusal(
    code=RefusalCode.BAD_REQUEST,
    message="Two different gateway keys were sent. Send one.",
)
TWO_MODES = Refusal(
    code=RefusalCode.BAD_REQUEST,
    message="A gateway key and a provider's key were both sent in places of the SDK. "
    "Send the gateway key alone, or move it to the X-Tollhouse-Key header to use your provider's key.",
)
REPEATED = Refusal(
    code=RefusalCode.BAD_REQUEST,
    message="A credential header was sent twice with different values. Send it once.",
)
MISPLACED = Refusal(
    code=RefusalCode.BAD_REQUEST,
    message="A gateway key stands inside another credential. "
    "Send it as 'Authorization: Bearer', in x-api-key, or in X-Tollhouse-Key.",
)
AWS_SIGNED = Refusal(
    code=RefusalCode.BAD_REQUEST,
    message="A request signed for AWS cannot be relayed. Use the gateway key as the Bedrock bearer token "
    "(AWS_BEARER_TOKEN_BEDROCK) and Tollhouse will sign.",
)


class Credentials(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the head holds to identify a call. The key is well-formed, no more."""

    key: ParsedKey
    mode: str
    """One of `CredentialMode`."""
    drop_headers: frozenset[bytes]
    """Lower-case names of headers that must not go upstream."""
    query: bytes
    """The query without gateway keys and, in vault mode, without any `key` parameter."""


def find_credentials(headers: Sequence[tuple[bytes, bytes]], query: bytes) -> Credentials | Refusal:
    """The one gateway key of a call, its mode, and what must be kept from the provider."""
    places = [(name, value) for name, value in headers if name in CREDENTIAL_HEADERS or KEY_HEAD in value]
    if len(places) == 1 and not query and places[0][0] in CREDENTIAL_HEADERS:
        # The ordinary case, half as dear as the walk below; it decides the same.
        credential = _credential(*places[0])
        if credential[:3] == KEY_PREFIX:
            return _in_vault_mode(credential, query)
    return _weigh(places, query)


def authenticate(
    credentials: Credentials, grants: Mapping[KeyId, KeyGrant], peppers: Mapping[int, Pepper], now: datetime
) -> Caller | Refusal:
    """The caller whose key this is, or one and the same refusal for unknown, wrong, expired and revoked.

    An unknown id costs the same HMAC and comparison as a known one, so that time tells nothing either.
    """
    key = credentials.key
    grant = grants.get(key.key_id, _NOBODY)
    pepper = peppers.get(grant.pepper_version, _NO_PEPPER)
    matches = hmac.compare_digest(hmac_of(key.secret, pepper), grant.secret_hmac)
    if not matches or grant is _NOBODY or pepper is _NO_PEPPER:
        return BAD_KEY
    if grant.valid_to is not None and grant.valid_to <= now:
        return BAD_KEY
    return Caller(key_id=grant.key_id, tenant_id=grant.tenant_id, grant=grant)


def _weigh(places: Sequence[tuple[bytes, bytes]], query: bytes) -> Credentials | Refusal:
    sightings = _read_places(places)
    if isinstance(sightings, Refusal):
        return sightings
    kept_query = _read_query(query, sightings) if query else query
    if sightings.key is None:
        return BAD_KEY if sightings.malformed else NO_KEY
    if sightings.contradicting:
        return TWO_KEYS
    if not sightings.provider_headers and not sightings.provider_query:
        return _in_vault_mode(sightings.key, kept_query, sightings.elsewhere)
    key = parse_key(sightings.key)
    if key is None:
        return BAD_KEY
    if not sightings.in_own_header:
        return TWO_MODES
    drop = CREDENTIAL_HEADERS.difference(sightings.provider_headers).union(sightings.elsewhere)
    return Credentials(key=key, mode=CredentialMode.PASSTHROUGH, drop_headers=drop, query=kept_query)


def _in_vault_mode(text: bytes, query: bytes, elsewhere: Sequence[bytes] = ()) -> Credentials | Refusal:
    key = parse_key(text)
    if key is None:
        return BAD_KEY
    drop = CREDENTIAL_HEADERS.union(elsewhere) if elsewhere else CREDENTIAL_HEADERS
    return Credentials(key=key, mode=CredentialMode.VAULT, drop_headers=drop, query=query)


class _Sightings:
    """Notes of one walk through a head; lives for one call of `find_credentials`."""

    __slots__ = (
        "contradicting",
        "elsewhere",
        "in_own_header",
        "key",
        "key_headers",
        "malformed",
        "provider_headers",
        "provider_query",
    )

    def __init__(self) -> None:
        self.key: bytes | None = None
        self.contradicting = False
        self.malformed = False
        self.in_own_header = False
        self.key_headers: list[bytes] = []
        self.provider_headers: dict[bytes, bytes] = {}
        self.provider_query = False
        self.elsewhere: list[bytes] = []

    def note_key(self, key: bytes) -> None:
        if self.key is None:
            self.key = key
        elif self.key != key:
            self.contradicting = True


def _read_places(places: Sequence[tuple[bytes, bytes]]) -> _Sightings | Refusal:
    sightings = _Sightings()
    for name, value in places:
        if name in CREDENTIAL_HEADERS:
            refusal = _read_credential(sightings, name, value)
            if refusal is not None:
                return refusal
        else:
            # `accept-language: th_TH` is no key: outside of a credential's place only the full head counts. Inside of
            # other text it identifies nobody, and does not go on either.
            if value.strip()[:_KEY_HEAD_BYTES] == KEY_HEAD:
                sightings.note_key(value.strip())
            sightings.elsewhere.append(name)
    return sightings


def _read_credential(sightings: _Sightings, name: bytes, value: bytes) -> Refusal | None:
    credential = _credential(name, value)
    if credential[:3] == KEY_PREFIX:
        sightings.note_key(credential)
        if name in OWN_KEY_HEADERS:
            sightings.in_own_header = True
            return None
        # Headers are dropped by name, so one name must not stand for both a gateway key and a provider's.
        sightings.key_headers.append(name)
        return REPEATED if name in sightings.provider_headers else None
    if name in OWN_KEY_HEADERS:
        # Not a gateway key: of use to nobody, and never forwarded.
        sightings.malformed = sightings.malformed or bool(credential)
        return None
    if _is_placeholder(credential):
        return None
    return _note_provider_credential(sightings, name, value, credential)


def _credential(name: bytes, value: bytes) -> bytes:
    """A header's value without blanks and without the scheme of a bearer token."""
    credential = value.strip()
    if name == b"authorization" and credential[:6].lower() == b"bearer":
        return credential[6:].lstrip()
    return credential


def _note_provider_credential(sightings: _Sightings, name: bytes, value: bytes, credential: bytes) -> Refusal | None:
    if name in sightings.key_headers or sightings.provider_headers.setdefault(name, value) != value:
        return REPEATED
    if KEY_HEAD in credential:
        return MISPLACED
    if name == b"authorization":
        scheme = credential[:6].lower()
        if scheme[:5] == _SIGNED_BY_AWS:
            return AWS_SIGNED
        if scheme == b"basic " and KEY_HEAD in _decoded(credential[6:]):
            return MISPLACED
    return None


def _read_query(query: bytes, sightings: _Sightings) -> bytes:
    """Notes keys in a query, and returns it without those that must not go on."""
    kept = []
    for parameter in query.split(b"&"):
        name, _, value = parameter.partition(b"=")
        text = unquote_to_bytes(value) if b"%" in value else value
        named_key = (unquote_to_bytes(name) if b"%" in name else name) == _QUERY_KEY
        if text[:_KEY_HEAD_BYTES] == KEY_HEAD or (named_key and text[:3] == KEY_PREFIX):
            sightings.note_key(text.strip())
        elif KEY_HEAD in text or KEY_HEAD in unquote_to_bytes(name):
            continue
        elif not named_key:
            kept.append(parameter)
        elif not _is_placeholder(text.strip()):
            sightings.provider_query = True
            kept.append(parameter)
    return b"&".join(kept)


def _is_placeholder(credential: bytes) -> bool:
    return len(credential) <= _PLACEHOLDER_BYTES_MAX and credential.lower() in PLACEHOLDERS


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.strip() + b"==")
    except binascii.Error:
        # Not base64: then no gateway key is hidden in it, and the provider may judge it.
        return b""


_NOBODY = KeyGrant(key_id=KeyId(""), tenant_id=DEFAULT_TENANT, name="", secret_hmac=bytes(32), pepper_version=0)
_NO_PEPPER = Pepper(Secret(bytes(32)))
