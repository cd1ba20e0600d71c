"""One gateway key under one pepper, and the snapshot's keys that know it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tollhouse.identity.keys import Pepper, hmac_of, make_key, show_once
from tollhouse.identity.model import KeyGrant
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId
from tollhouse.kernel.secret import Secret


class Granted:
    """`granted` is what the key's grant says besides, such as `fixed_labels` or `valid_to`."""

    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __init__(self, **granted: Any) -> None:
        pepper = Pepper(Secret(b"p" * 32))
        self.peppers: Mapping[int, Pepper] = {1: pepper}
        key = make_key(bytes(range(48)))
        self.key_id = key.parsed.key_id
        self.text = show_once(key).encode()
        self.secret = key.parsed.secret.reveal()
        self.grant = KeyGrant(
            key_id=self.key_id,
            tenant_id=DEFAULT_TENANT,
            name="demo",
            secret_hmac=hmac_of(key.parsed.secret, pepper),
            pepper_version=1,
            **granted,
        )
        self.keys: Mapping[KeyId, KeyGrant] = {self.key_id: self.grant}
