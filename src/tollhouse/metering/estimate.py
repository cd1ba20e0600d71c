"""Estimates of tokens from bytes, for what a provider did not report.

Rules: a bound is sound for every byte-level tokeniser in use: a token stands for at least one byte, so a body of n
bytes holds at most n tokens of inline text. An expectation is a guess that is right on average and is always marked
as estimated: English text has about 4.2 bytes to a token and code about 3.5, while JSON punctuation and other
scripts have fewer, so four bytes to a token is used for all. No tokeniser is loaded.
"""

from __future__ import annotations

BYTES_PER_TOKEN = 4


def input_bound(body_bytes: int) -> int:
    """The most input tokens that a body of so many bytes can hold, where all input is in it as text."""
    return max(body_bytes, 0)


def expected_tokens(text_bytes: int) -> int:
    """About how many tokens so many bytes of UTF-8 text are; at least one where there is any text."""
    return -(-max(text_bytes, 0) // BYTES_PER_TOKEN)
