"""Finding credentials in a head, and checking the gateway key."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tollhouse.identity import rules
from tollhouse.identity.keys import NewKey, Pepper
from tollhouse.identity.model import Caller, CredentialMode, KeyGrant
from tollhouse.identity.rules import CREDENTIAL_HEADERS, Credentials, authenticate, find_credentials
from tollhouse.kernel.refusal import Refusal, RefusalCode

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
ORDINARY = [(b"host", b"gateway"), (b"accept-language", b"th_TH"), (b"content-type", b"application/json")]
PROVIDER_KEY = b"sk-proj-0123456789abcdef"


def found(headers: list[tuple[bytes, bytes]], query: bytes = b"") -> Credentials:
    """The credentials of a head that has some."""
    credentials = find_credentials(ORDINARY + headers, query)
    assert isinstance(credentials, Credentials), credentials
    return credentials


def sdk_header(name: bytes, key: bytes) -> tuple[bytes, bytes]:
    return (name, b"Bearer " + key if name == b"authorization" else key)


SDK_NAMES = [b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key"]


@pytest.mark.parametrize("name", SDK_NAMES)
def test_gateway_key_in_the_sdk_place_is_vault(name: bytes, key_text: bytes) -> None:
    """Wherever an SDK puts its key a gateway key is found, and no credential header goes on."""
    credentials = found([sdk_header(name, key_text)])
    assert credentials.mode == CredentialMode.VAULT
    assert credentials.key.key_id == key_text[8:20].decode()
    assert credentials.drop_headers == CREDENTIAL_HEADERS


@pytest.mark.parametrize("form", [b"%s", b"bearer %s", b"BEARER   %s", b"  Bearer %s  ", b"Bearer\t%s"])
def test_authorization_is_read_in_any_usual_form(form: bytes, key_text: bytes) -> None:
    """The scheme's case, blanks around it and its absence make no difference."""
    assert found([(b"authorization", form % key_text)]).mode == CredentialMode.VAULT


@pytest.mark.parametrize("own", [b"x-tollhouse-key", b"x-modeltrack-key"])
@pytest.mark.parametrize("name", SDK_NAMES)
def test_own_header_with_a_provider_key_is_passthrough(own: bytes, name: bytes, key_text: bytes) -> None:
    """The provider's header stays, ours does not."""
    credentials = found([sdk_header(name, PROVIDER_KEY), (own, key_text)])
    assert credentials.mode == CredentialMode.PASSTHROUGH
    assert credentials.drop_headers == CREDENTIAL_HEADERS - {name}


@pytest.mark.parametrize("placeholder", [*sorted(rules.PLACEHOLDERS), b"Placeholder", b"NONE", b" dummy "])
@pytest.mark.parametrize("name", SDK_NAMES)
def test_placeholder_is_as_good_as_nothing(name: bytes, placeholder: bytes, key_text: bytes) -> None:
    """A gateway key in our header beside a placeholder is vault, and the placeholder does not go on."""
    credentials = found([(b"x-tollhouse-key", key_text), sdk_header(name, placeholder)])
    assert credentials.mode == CredentialMode.VAULT
    assert name in credentials.drop_headers


def test_own_header_alone_is_vault(key_text: bytes) -> None:
    """Nothing where the SDK puts its key: the vault serves."""
    assert found([(b"x-tollhouse-key", key_text)]).mode == CredentialMode.VAULT


def test_same_key_twice_is_one_key(key_text: bytes) -> None:
    """Repeating a key in several places changes nothing."""
    headers = [(b"x-tollhouse-key", key_text), sdk_header(b"authorization", key_text), (b"x-api-key", key_text)]
    assert found(headers).mode == CredentialMode.VAULT


def test_same_key_twice_beside_a_provider_key_is_passthrough(key_text: bytes) -> None:
    """The header that repeats the gateway key is kept from the provider."""
    credentials = found(
        [(b"x-tollhouse-key", key_text), sdk_header(b"authorization", key_text), (b"x-api-key", PROVIDER_KEY)]
    )
    assert credentials.mode == CredentialMode.PASSTHROUGH
    assert b"authorization" in credentials.drop_headers
    assert b"x-api-key" not in credentials.drop_headers


def test_two_different_gateway_keys_are_refused(key_text: bytes, other_text: bytes) -> None:
    """Which account would be billed cannot be known."""
    for headers, query in (
        ([(b"x-tollhouse-key", key_text), (b"x-api-key", other_text)], b""),
        ([(b"x-api-key", key_text), (b"x-api-key", other_text)], b""),
        ([(b"x-api-key", key_text)], b"key=" + other_text),
    ):
        assert find_credentials(headers, query) == rules.TWO_KEYS


def test_gateway_and_provider_key_in_sdk_places_are_refused(key_text: bytes) -> None:
    """One call uses one mode; which one was meant cannot be known."""
    headers = [sdk_header(b"authorization", key_text), (b"x-api-key", PROVIDER_KEY)]
    assert find_credentials(headers, b"") == rules.TWO_MODES
    assert find_credentials(headers[:1], b"key=AIzaReal") == rules.TWO_MODES


def test_one_header_with_two_values_is_refused(key_text: bytes) -> None:
    """In either order, so that a gateway key cannot go on under a header that is passed on for another value."""
    own = (b"x-tollhouse-key", key_text)
    ours, theirs = (b"x-api-key", key_text), (b"x-api-key", PROVIDER_KEY)
    assert find_credentials([own, ours, theirs], b"") == rules.REPEATED
    assert find_credentials([own, theirs, ours], b"") == rules.REPEATED
    assert find_credentials([own, theirs, (b"x-api-key", b"sk-other")], b"") == rules.REPEATED
    assert found([own, theirs, theirs]).mode == CredentialMode.PASSTHROUGH


def test_gateway_key_inside_another_credential_is_refused(key_text: bytes) -> None:
    """A key that hides in another scheme would otherwise go upstream."""
    basic = base64.b64encode(key_text + b":")
    for value in (b"Token " + key_text, b"Basic " + basic, b"Bearer a, Bearer " + key_text):
        assert find_credentials([(b"x-tollhouse-key", key_text), (b"authorization", value)], b"") == rules.MISPLACED


@pytest.mark.parametrize("value", [b"Basic dXNlcjpwYXNz", b"Basic %%%", b"Basic dXNlcjpwYXNzd29yZA", b"Digest x"])
def test_other_schemes_pass_through(value: bytes, key_text: bytes) -> None:
    """A model server with a scheme of its own gets its header as it came."""
    credentials = found([(b"x-tollhouse-key", key_text), (b"authorization", value)])
    assert credentials.mode == CredentialMode.PASSTHROUGH


def test_request_signed_by_aws_is_refused(key_text: bytes) -> None:
    """Its signature covers the host name and cannot survive a gateway."""
    value = b"AWS4-HMAC-SHA256 Credential=AKIA/20260401/us-east-1/bedrock/aws4_request"
    assert find_credentials([(b"x-tollhouse-key", key_text), (b"authorization", value)], b"") == rules.AWS_SIGNED


def test_gateway_key_in_any_other_header_is_taken_out(key_text: bytes) -> None:
    """It identifies the call, and the header does not go on; a locale that begins alike is no key."""
    credentials = found([(b"x-custom", key_text)])
    assert credentials.mode == CredentialMode.VAULT
    assert b"x-custom" in credentials.drop_headers
    assert b"accept-language" not in credentials.drop_headers


def test_gateway_key_inside_of_other_text_does_not_go_on(key_text: bytes) -> None:
    """It identifies nobody there, and no provider sees it either."""
    credentials = found(
        [
            (b"authorization", b"Bearer " + key_text),
            (b"x-auth", b"Bearer " + key_text),
            (b"referer", b"/?k=" + key_text),
        ]
    )
    assert {b"x-auth", b"referer"} <= credentials.drop_headers
    query = b"a=1&x=Bearer%20" + key_text + b"&" + key_text + b"=1"
    kept = find_credentials([(b"authorization", b"Bearer " + key_text)], query)
    assert not isinstance(kept, Refusal) and kept.query == b"a=1"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"key=%s", b""),
        (b"alt=sse&key=%s", b"alt=sse"),
        (b"key=%s&alt=sse&key=%s", b"alt=sse"),
        (b"k%%65y=%s&alt=sse", b"alt=sse"),
        (b"access_token=%s&a=b%%20c", b"a=b%20c"),
    ],
)
def test_gateway_key_is_taken_out_of_the_query(query: bytes, kept: bytes, key_text: bytes) -> None:
    """Vault mode, and the rest of the query stays as it was written."""
    credentials = found([], query.replace(b"%s", key_text).replace(b"%%", b"%"))
    assert credentials.mode == CredentialMode.VAULT
    assert credentials.query == kept


def test_encoded_gateway_key_in_the_query_is_found(key_text: bytes) -> None:
    """Percent-encoding hides nothing."""
    credentials = found([], b"key=" + key_text.replace(b"_", b"%5F"))
    assert credentials.query == b""


def test_provider_key_in_the_query_goes_on_unchanged(key_text: bytes) -> None:
    """Pass-through: the query stays byte for byte."""
    credentials = found([(b"x-tollhouse-key", key_text)], b"alt=sse&key=AIza%2Freal")
    assert credentials.mode == CredentialMode.PASSTHROUGH
    assert credentials.query == b"alt=sse&key=AIza%2Freal"


def test_placeholder_in_the_query_is_taken_out(key_text: bytes) -> None:
    """A placeholder is of no use to the provider."""
    credentials = found([(b"x-tollhouse-key", key_text)], b"key=placeholder&alt=sse")
    assert (credentials.mode, credentials.query) == (CredentialMode.VAULT, b"alt=sse")


@pytest.mark.parametrize(
    "headers", [[], [(b"authorization", b"Bearer " + PROVIDER_KEY)], [(b"authorization", b"Bearer")]]
)
def test_no_gateway_key_is_unauthenticated(headers: list[tuple[bytes, bytes]]) -> None:
    """The message says where a key goes."""
    assert find_credentials(ORDINARY + headers, b"alt=sse") == rules.NO_KEY
    assert rules.NO_KEY.code is RefusalCode.UNAUTHENTICATED
    assert "X-Tollhouse-Key" in rules.NO_KEY.message


def test_malformed_gateway_key_is_refused_without_looking(key_text: bytes) -> None:
    """A wrong checksum, a foreign key in our header, a bare prefix."""
    for headers in (
        [(b"x-api-key", key_text[:-1] + (b"0" if key_text[-1:] != b"0" else b"1"))],
        [(b"x-tollhouse-key", b"mt_something"), (b"authorization", b"Bearer " + PROVIDER_KEY)],
        [(b"authorization", b"Bearer th_")],
        [(b"x-tollhouse-key", b"th_live_short"), (b"authorization", b"Bearer " + PROVIDER_KEY)],
    ):
        assert find_credentials(headers, b"") == rules.BAD_KEY


def test_foreign_key_in_our_header_does_not_spoil_a_good_one(key_text: bytes) -> None:
    """An SDK that always sends a key of its own keeps working."""
    assert found([(b"x-modeltrack-key", b"mt_abc"), (b"x-api-key", key_text)]).mode == CredentialMode.VAULT


def test_key_of_a_grant_authenticates(key_text: bytes, grant: KeyGrant, pepper: Pepper) -> None:
    """The caller carries the grant and its tenant."""
    caller = authenticate(found([(b"x-api-key", key_text)]), {grant.key_id: grant}, {1: pepper}, NOW)
    assert caller == Caller(key_id=grant.key_id, tenant_id=grant.tenant_id, grant=grant)


def test_every_failure_is_the_same_refusal(key_text: bytes, other_text: bytes, grant: KeyGrant, pepper: Pepper) -> None:
    """Unknown, wrong secret, expired, revoked, lost pepper: word for word alike."""
    mine, unknown = found([(b"x-api-key", key_text)]), found([(b"x-api-key", other_text)])
    impostor = msgspec.structs.replace(grant, secret_hmac=bytes(32))
    expired = msgspec.structs.replace(grant, valid_to=NOW)
    peppers = {1: pepper}
    verdicts: list[Caller | Refusal] = [
        authenticate(unknown, {grant.key_id: grant}, peppers, NOW),
        authenticate(mine, {grant.key_id: impostor}, peppers, NOW),
        authenticate(mine, {grant.key_id: expired}, peppers, NOW),
        authenticate(mine, {grant.key_id: grant}, {}, NOW),
        authenticate(mine, {}, peppers, NOW),
    ]
    assert verdicts == [rules.BAD_KEY] * 5


def test_key_is_good_until_its_end(key_text: bytes, grant: KeyGrant, pepper: Pepper) -> None:
    """The interval is half-open: a moment before its end a key still works."""
    ending = msgspec.structs.replace(grant, valid_to=NOW + timedelta(microseconds=1))
    verdict = authenticate(found([(b"x-api-key", key_text)]), {grant.key_id: ending}, {1: pepper}, NOW)
    assert isinstance(verdict, Caller)


def test_hmac_that_stands_in_for_nobody_authenticates_no_one(new_key: NewKey, pepper: Pepper) -> None:
    """An id without a grant is refused whichever peppers there are."""
    credentials = Credentials(key=new_key.parsed, mode=CredentialMode.VAULT, drop_headers=frozenset(), query=b"")
    assert authenticate(credentials, {}, {0: pepper}, NOW) == rules.BAD_KEY
