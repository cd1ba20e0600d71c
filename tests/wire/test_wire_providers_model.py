"""How a provider takes its key, and what a row of the table says when it says nothing."""

from __future__ import annotations

import pytest

from tollhouse.wire.call import Family
from tollhouse.wire.providers.model import KeyPlacement, ProviderKind


@pytest.mark.parametrize(
    ("placement", "header", "value"),
    [
        (KeyPlacement.BEARER, "authorization", b"Bearer k\xff"),
        (KeyPlacement.X_API_KEY, "x-api-key", b"k\xff"),
        (KeyPlacement.X_GOOG_API_KEY, "x-goog-api-key", b"k\xff"),
    ],
)
def test_a_key_is_written_as_its_header_wants(placement: KeyPlacement, header: str, value: bytes) -> None:
    """Given a key of any bytes, when placed, then only a bearer's has a word before it, and no byte is changed."""
    assert (placement.value, placement.header_value(b"k\xff")) == (header, value)


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
