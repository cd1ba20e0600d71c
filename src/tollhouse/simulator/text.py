"""Text: made-up words, identifiers and numbers that follow from a seed alone.

Pure: the same seed always gives the same text, so that the same request gets the same bytes.
"""

from __future__ import annotations

import hashlib
import string

_SENTENCE = (
    "the gate keeps count of every cart and coin that passes along this road by day and night while clerks write "
    "neat lines in bound books so that no toll is lost nor taken twice and each traveller may ask what was paid "
    "where when why and for whom then walk on with a fair receipt"
)
_WORDS = _SENTENCE.split()

_BASE62 = bytes((string.ascii_letters + string.digits)[value % 62].encode()[0] for value in range(256))
_HEX = bytes(string.hexdigits[:16][value % 16].encode()[0] for value in range(256))


def words(seed: bytes, count: int) -> list[str]:
    """`count` words, each but the first with the blank before it, as models tend to cut them."""
    length = len(_WORDS)
    start = int.from_bytes(seed[:2], "big")
    return [(" " if index else "") + _WORDS[(start + index * (1 + index // length)) % length] for index in range(count)]


def identifier(seed: bytes, label: str, length: int) -> str:
    """`length` letters and digits; another label gives another identifier."""
    return hashlib.shake_256(seed + label.encode()).digest(length).translate(_BASE62).decode()


def hexadecimal(seed: bytes, label: str, length: int) -> str:
    """`length` lower-case hex digits."""
    return hashlib.shake_256(seed + label.encode()).digest(length).translate(_HEX).decode()


def created_s(seed: bytes) -> int:
    """A plausible Unix time in seconds, the same for the same seed."""
    return 1_780_000_000 + int.from_bytes(seed[2:5], "big") % 4_000_000
