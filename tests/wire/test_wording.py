"""Names are admitted only where they look like names."""

from __future__ import annotations

import pytest

from tollhouse.wire.delivered import text_bytes, utf8_bytes
from tollhouse.wire.wording import error_code, is_model, model_name, response_id, service_tier


@pytest.mark.parametrize("value", ["", "a b", "a\n", "é", "x" * 201, "-x", "a?b", None, 3, ["m"]])
def test_what_is_no_model_is_none(value: object) -> None:
    """Given what no provider calls a model, when read, then there is none."""
    assert model_name(value) is None
    assert not isinstance(value, str) or not is_model(value)


def test_names_within_bounds_stay() -> None:
    """Given names as providers write them, when read, then they stay as they are; a longer one is dropped, not cut."""
    assert model_name("us.anthropic.claude-3-7-sonnet-20250219-v1:0") == "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
    assert response_id("chatcmpl-1_a.b") == "chatcmpl-1_a.b"
    assert service_tier("ON_DEMAND_FLEX") == "ON_DEMAND_FLEX"
    assert (response_id("x" * 201), service_tier("x" * 33)) == (None, None)


def test_the_first_code_counts() -> None:
    """Given candidates for a code, when chosen, then the first that is one counts, numbers too, truth values not."""
    assert error_code(None, "some words", 429, "x") == "429"
    assert error_code("rate_limited", 429) == "rate_limited"
    assert error_code(True, -1, None) == "unknown"


def test_text_is_measured_in_utf8() -> None:
    """Given text of any shape, when measured, then it is its strings' UTF-8, lone surrogates included, types not."""
    assert [utf8_bytes(text) for text in ("abc", "é", "\ud800")] == [3, 2, 3]
    assert text_bytes([{"type": "text", "text": "ab"}, "c", 7, None, {"x": {"y": ["dé"]}}]) == 2 + 1 + 3
