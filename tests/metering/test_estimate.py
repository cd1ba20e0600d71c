"""Tokens from bytes."""

from __future__ import annotations

import pytest

from tollhouse.metering.estimate import expected_tokens, input_bound


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000), (-3, 0)])
def test_four_bytes_are_expected_to_be_a_token(size: int, tokens: int) -> None:
    """Any text at all is at least one token."""
    assert expected_tokens(size) == tokens


def test_the_bound_is_a_token_a_byte() -> None:
    """No byte-level tokeniser makes more tokens than there are bytes."""
    assert (input_bound(500), input_bound(0), input_bound(-1)) == (500, 0, 0)
