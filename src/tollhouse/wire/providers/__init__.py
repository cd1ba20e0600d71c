"""Providers: what is known of each kind of provider, one row of `table.py` a kind, and where SDKs put their keys.

A new provider is a row; protocol differences that a row cannot say are a dialect's business.
"""

from __future__ import annotations

from tollhouse.wire.call import Dialect, Route
from tollhouse.wire.providers.model import KeyPlacement, ProviderKind
from tollhouse.wire.providers.table import ANTHROPIC_VERSION, ROWS

__all__ = [
    "ANTHROPIC_VERSION",
    "CLIENT_KEY_HEADERS",
    "CLIENT_KEY_QUERY",
    "KINDS",
    "KeyPlacement",
    "ProviderKind",
    "provider_kind",
    "upstream_path",
]

CLIENT_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
"""Where SDKs put a key, in the order in which they are looked at; `authorization` has `Bearer ` before it."""
CLIENT_KEY_QUERY = "key"
"""The parameter in which Gemini clients may put it; taken out of the URL before it goes on."""

KINDS = {row.name: row for row in ROWS}

_OPENAI_SHAPES = frozenset((Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.OPENAI_EMBEDDINGS))


def provider_kind(name: str) -> ProviderKind | None:
    """The row of a kind, or None if there is none of that name."""
    return KINDS.get(name)


def upstream_path(kind: ProviderKind, route: Route) -> str:
    """The path of a route at a provider: a path that named the provider is its own, others get its prefix for /v1."""
    path = route.upstream_path
    if route.provider is None and route.dialect in _OPENAI_SHAPES and path.startswith("/v1/"):
        return kind.version_path + path[3:]
    return path
