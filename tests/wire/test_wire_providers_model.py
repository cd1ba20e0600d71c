"""How a provider takes its key, and what a row of the table says when it says nothing."""

from __future__ import annotations

import pytest

from tollhouse.wire.call import Family
from tollhouse.wire.providers.model import KeyPlacement, ProviderKind


def test_no_byte_of_a_key_is_changed() -> None:
    """Given a key that is no text, when placed, then it stands in its header as it is."""
    key = bytes(range(33, 256))
    assert KeyPlacement.BEARER.header_value(key) == b"Bearer " + key
    assert KeyPlacement.X_API_KEY.header_value(key) is key


def test_a_row_that_says_nothing_is_a_plain_openai_compatible() -> None:
    """Given a name, a family and prices alone, when looked at, then it is as OpenAI does it, at no known address."""
    row = ProviderKind(name="x", family=Family.OPENAI, base_url=None, pricing="x")
    assert (row.key, row.version_path, row.default_headers, row.takes_stream_options) == (
        KeyPlacement.BEARER,
        "/v1",
        (),
        True,
    )


def test_a_row_cannot_be_changed() -> None:
    """Given a row, when something assigns to it, then that fails: all calls share it."""
    row = ProviderKind(name="x", family=Family.OPENAI, base_url=None, pricing="x")
    with pytest.raises(AttributeError):
        row.pricing = "y"
