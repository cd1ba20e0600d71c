"""Gateway keys as text: made from random bytes, read back, turned into the HMAC that is stored.

`th_live_<12 id>_<43 secret><6 CRC>`, every part base62. The CRC-32 covers all that stands before it, so that a mistyped
or invented key is refused without a look-up. Reading does the same work for every input of the right length and never
raises. Never stores, prints or compares a secret; `show_once` is the only way to its text.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Never

import msgspec

from tollhouse.kernel.ids import KeyId
from tollhouse.kernel.secret import Secret

KEY_PREFIX = b"th_"
"""Anything in a credential's place that begins so is meant as a gateway key."""
KEY_HEAD = b"th_live_"
RANDOM_BYTES = 48
"""What `make_key` takes: 16 bytes for the id, 32 for the secret."""

_ID_CHARACTERS = 12
_SECRET_CHARACTERS = 43
_CRC_CHARACTERS = 6
_ID_START = len(KEY_HEAD)
_ID_END = _ID_START + _ID_CHARACTERS
_SECRET_START = _ID_END + 1
_SECRET_END = _SECRET_START + _SECRET_CHARACTERS
KEY_BYTES = _SECRET_END + _CRC_CHARACTERS

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [bytes((high, low)) for high in _ALPHABET for low in _ALPHABET]
_PAIR_VALUES = len(_PAIRS)
_SEPARATOR = ord("_")
_HMAC_BLOCK_BYTES = 64


class Pepper:
    """The deployment's key of the HMACs, kept as two half-done SHA-256 states: a fresh HMAC costs twice as much."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, value: Secret) -> None:
        raw = value.reveal()
        if not 16 <= len(raw) <= _HMAC_BLOCK_BYTES:
            raise ValueError("a pepper has between 16 and 64 bytes")
        block = raw.ljust(_HMAC_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def hmac(self, message: bytes) -> bytes:
        """HMAC-SHA-256 (RFC 2104) of a message: 32 bytes."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "Pepper(…)"

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a pepper is not pickled or copied")


class ParsedKey(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A well-formed gateway key; whether anyone was given it is not known yet."""

    key_id: KeyId
    secret: Secret
    """The 43 characters of the secret part."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A key that was just made, with the text its owner is shown once."""

    parsed: ParsedKey
    text: Secret


def make_key(randomness: bytes) -> NewKey:
    """A key from `RANDOM_BYTES` cryptographically random bytes; the secret carries 256 of their bits."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a key is made from {RANDOM_BYTES} random bytes")
    key_id = _base62(int.from_bytes(randomness[:16], "big") % 62**_ID_CHARACTERS, _ID_CHARACTERS)
    secret = _base62(int.from_bytes(randomness[16:], "big"), _SECRET_CHARACTERS)
    body = KEY_HEAD + key_id + b"_" + secret
    return NewKey(
        parsed=ParsedKey(key_id=KeyId(key_id.decode()), secret=Secret(secret)),
        text=Secret(body + _checksum(body)),
    )


def parse_key(text: bytes) -> ParsedKey | None:
    """The parts of a gateway key, or None if its shape or its checksum is wrong."""
    if len(text) != KEY_BYTES or text[:_ID_START] != KEY_HEAD or text[_ID_END] != _SEPARATOR:
        return None
    if not (text[_ID_START:_ID_END].isalnum() and text[_SECRET_START:].isalnum()):
        return None
    if _checksum(text[:_SECRET_END]) != text[_SECRET_END:]:
        return None
    return ParsedKey(
        key_id=KeyId(text[_ID_START:_ID_END].decode("ascii")),
        secret=Secret(text[_SECRET_START:_SECRET_END]),
    )


def hmac_of(secret: Secret, pepper: Pepper) -> bytes:
    """HMAC-SHA-256 of a key's secret part under a pepper: 32 bytes, what the database holds instead of the secret."""
    return pepper.hmac(secret.reveal())


def show_once(key: NewKey) -> str:
    """The text of a new key, for the one print-out its owner gets."""
    return key.text.reveal().decode("ascii")


def _checksum(body: bytes) -> bytes:
    rest, low = divmod(zlib.crc32(body), _PAIR_VALUES)
    high, middle = divmod(rest, _PAIR_VALUES)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def _base62(value: int, characters: int) -> bytes:
    digits = bytearray()
    for _ in range(characters):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    digits.reverse()
    return bytes(digits)
