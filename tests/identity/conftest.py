"""A deployment's pepper, a key under it, and its grant."""

from __future__ import annotations

import pytest

from tollhouse.identity.keys import NewKey, Pepper, hmac_of, make_key, show_once
from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.kernel.secret import Secret


@pytest.fixture
def new_key() -> NewKey:
    return make_key(bytes(range(48)))


@pytest.fixture
def key_text(new_key: NewKey) -> bytes:
    return show_once(new_key).encode()


@pytest.fixture
def other_text() -> bytes:
    return show_once(make_key(bytes(range(1, 49)))).encode()


@pytest.fixture
def pepper() -> Pepper:
    return Pepper(Secret(b"p" * 32))


@pytest.fixture
def grant(new_key: NewKey, pepper: Pepper) -> KeyGrant:
    return KeyGrant(
        key_id=new_key.parsed.key_id,
        tenant_id=DEFAULT_TENANT,
        name="demo",
        secret_hmac=hmac_of(new_key.parsed.secret, pepper),
        pepper_version=1,
    )
