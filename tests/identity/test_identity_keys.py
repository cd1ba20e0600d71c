"""Gateway keys as text."""

from __future__ import annotations

import hmac
import pickle
import random
import re

import pytest

from tollhouse.identity.keys import KEY_BYTES, NewKey, Pepper, hmac_of, make_key, parse_key, show_once
from tollhouse.kernel.secret import Secret

ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_key_has_the_documented_shape(key_text: bytes) -> None:
    """A prefix, 12 characters of id, 43 of secret and 6 of checksum, all base62."""
    assert re.fullmatch(rb"th_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", key_text)
    assert len(key_text) == KEY_BYTES == 70


def test_key_reads_back(new_key: NewKey, key_text: bytes) -> None:
    """Parsing gives the id and the secret that were made."""
    parsed = parse_key(key_text)
    assert parsed is not None
    assert parsed.key_id == new_key.parsed.key_id == key_text[8:20].decode()
    assert parsed.secret.reveal() == new_key.parsed.secret.reveal() == key_text[21:64]


@pytest.mark.parametrize("randomness", [bytes(48), b"\xff" * 48])
def test_extreme_randomness_still_fits(randomness: bytes) -> None:
    """The least and the greatest random bytes give keys of the ordinary length that parse."""
    assert parse_key(show_once(make_key(randomness)).encode()) is not None


def test_secret_keeps_all_random_bits() -> None:
    """Every bit of the 256 changes the secret."""
    texts = {show_once(make_key(bytes(16) + (1 << bit).to_bytes(32, "big"))) for bit in range(256)}
    assert len(texts) == 256


def test_wrong_amount_of_randomness_is_an_error() -> None:
    """A caller that draws too few bytes is told."""
    with pytest.raises(ValueError, match="48 random bytes"):
        make_key(bytes(47))


def test_ten_thousand_malformed_variants_are_refused(key_text: bytes) -> None:
    """Substituted, swapped, cut, lengthened, re-cased and foreign texts all fail the shape or the checksum."""
    rng = random.Random(20260401)
    variants: set[bytes] = set()
    while len(variants) < 10_000:
        text = bytearray(key_text)
        match rng.randrange(7):
            case 0:
                text[rng.randrange(len(text))] = rng.choice(ALPHABET)
            case 1:
                text[rng.randrange(len(text))] = rng.randrange(256)
            case 2:
                at = rng.randrange(len(text) - 1)
                text[at], text[at + 1] = text[at + 1], text[at]
            case 3:
                del text[rng.randrange(len(text)) :]
            case 4:
                text.insert(rng.randrange(len(text) + 1), rng.choice(ALPHABET))
            case 5:
                at = rng.randrange(8, len(text) - 8)
                text[at : at + 8] = rng.randbytes(8)
            case _:
                text[8:20] = bytes(rng.choice(ALPHABET) for _ in range(12))
        if bytes(text) != key_text:
            variants.add(bytes(text))
    assert [variant for variant in variants if parse_key(variant) is not None] == []


@pytest.mark.parametrize("text", [b"", b"th_", b"th_live_", b"sk-abc", b"\xff" * 70, "ß".encode() * 35, b" " * 70])
def test_other_texts_are_refused(text: bytes) -> None:
    """What is no gateway key gives None and never an exception."""
    assert parse_key(text) is None


def test_nothing_prints_a_secret(new_key: NewKey, key_text: bytes, pepper: Pepper) -> None:
    """No form of a key record or a pepper shows the secret part, and a pepper is not pickled."""
    secret = key_text[21:64].decode()
    shown = f"{new_key!r} {new_key} {new_key.parsed!r} {pepper!r} {pepper}"
    assert secret not in shown
    assert "pppp" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(pepper)


@pytest.mark.parametrize("length", [16, 32, 64])
def test_hmac_is_the_standard_one(length: int) -> None:
    """The half-done states give what the standard library's HMAC-SHA-256 gives."""
    raw = bytes(range(length))
    assert hmac_of(Secret(b"secret part"), Pepper(Secret(raw))) == hmac.digest(raw, b"secret part", "sha256")


@pytest.mark.parametrize("length", [0, 15, 65])
def test_unsuitable_pepper_is_an_error(length: int) -> None:
    """A pepper too short to be safe or too long for one block is not accepted."""
    with pytest.raises(ValueError, match="between 16 and 64"):
        Pepper(Secret(bytes(length)))
