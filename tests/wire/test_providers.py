"""The table of provider kinds."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tollhouse.wire.call import Family, Route
from tollhouse.wire.paths import match
from tollhouse.wire.providers import CLIENT_KEY_HEADERS, KINDS, KeyPlacement, ProviderKind, provider_kind, upstream_path


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_rows_are_sound(kind: ProviderKind) -> None:
    """Given a row, when looked at, then its address is https and bare, and its key goes where SDKs put theirs."""
    if kind.base_url is not None:
        parts = urlsplit(kind.base_url)
        assert (parts.scheme, parts.path, parts.query) == ("https", "", "")
    assert kind.key.value in CLIENT_KEY_HEADERS
    assert kind.version_path == "" or (kind.version_path.startswith("/") and not kind.version_path.endswith("/"))
    assert all(name == name.lower() for name, _ in kind.default_headers)


def test_kinds_are_found_by_name() -> None:
    """Given a name, when looked up, then its row is found, or None."""
    anthropic = provider_kind("anthropic")
    assert anthropic is not None
    assert (anthropic.family, anthropic.default_headers) == (Family.ANTHROPIC, (("anthropic-version", "2023-06-01"),))
    assert provider_kind("nobody") is None


def test_keys_are_written_as_each_header_wants() -> None:
    """Given a key, when placed, then only `authorization` has a scheme before it."""
    assert KeyPlacement.BEARER.header_value(b"k") == b"Bearer k"
    assert KeyPlacement.X_API_KEY.header_value(b"k") == b"k"


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("groq", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("openrouter", "/v1/embeddings", "/api/v1/embeddings"),
        ("perplexity", "/v1/chat/completions", "/chat/completions"),
        ("anthropic", "/v1/messages", "/v1/messages"),
        ("groq", "/providers/groq/openai/v1/chat/completions", "/openai/v1/chat/completions"),
        ("groq", "/providers/groq/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_paths_at_a_provider(kind: str, path: str, expected: str) -> None:
    """Given a route, when sent to a kind, then our own /v1 becomes its prefix and a path that named it stays."""
    route = match("POST", path, ())
    assert isinstance(route, Route)
    assert upstream_path(KINDS[kind], route) == expected
