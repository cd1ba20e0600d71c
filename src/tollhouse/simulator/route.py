"""Route: which dialect answers a path, and whether the request brought a key.

Pure. Paths are found by their end, so that the prefixes of the OpenAI-compatible providers and of Azure work too.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

import msgspec

from tollhouse.simulator.dialects import (
    anthropic,
    gemini,
    listing,
    openai_chat,
    openai_embeddings,
    openai_responses,
)
from tollhouse.simulator.dialects.base import Composer
from tollhouse.wire.call import Family

INVALID_PREFIXES = ("sk-invalid", "th_")
"""Keys no provider would take: those made up for a test of refusal, and the gateway's own."""

_POSTS: tuple[tuple[str, Family, Composer], ...] = (
    ("/chat/completions", Family.OPENAI, openai_chat.compose),
    ("/messages", Family.ANTHROPIC, anthropic.compose),
    ("/responses", Family.OPENAI, openai_responses.compose),
    ("/embeddings", Family.OPENAI, openai_embeddings.compose),
    ("/messages/count_tokens", Family.ANTHROPIC, anthropic.count_tokens),
)

_LISTS: dict[Family, Composer] = {
    Family.OPENAI: listing.openai_models,
    Family.ANTHROPIC: listing.anthropic_models,
    Family.GEMINI: listing.gemini_models,
    Family.BEDROCK: listing.openai_models,
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers a request."""

    family: Family
    composer: Composer | None = None
    """None where nobody does: then `status` and `message` say why."""
    key: str = ""
    """What tells targets of one path apart (method, options)."""
    model: str = ""
    verb: str = ""
    json_array: bool = False
    status: int = 404
    message: str = "Unknown request URL. Please check the URL for typos."


def route(method: str, path: str, query: bytes, headers: Mapping[bytes, bytes]) -> Target:
    """The target of a request; always one, if only to say that there is none."""
    if method == "POST":
        for ending, owner, composer in _POSTS:
            if path.endswith(ending) and not path.startswith("/raw/"):
                return Target(family=owner, composer=composer, key=method, model=_deployment(path))
    family = _family(path, headers)
    if path.startswith("/raw/"):
        return Target(family=family, composer=listing.raw_echo, key=method, model=path)
    _, found, rest = path.partition("/models")
    if found and method == "POST" and ":" in rest:
        return _gemini(rest.removeprefix("/"), query)
    if found and method == "GET" and (not rest or rest.startswith("/")):
        return Target(family=family, composer=_LISTS[family], key=family, model=rest.removeprefix("/"))
    return Target(family=family, message=f"Unknown request URL: {method} {path}. Please check the URL for typos.")


def key_refusal(family: Family, headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    """The sentence of a 401 if the provider's usual place holds no key or an invalid one; None if it holds a key."""
    key = _key(family, headers, query)
    if not key:
        return "You didn't provide an API key."
    if key.startswith(INVALID_PREFIXES):
        return f"Incorrect API key provided: {key[:7]}***."
    return None


def _gemini(rest: str, query: bytes) -> Target:
    model, _, verb = rest.partition(":")
    events = parse_qs(query.decode("latin-1")).get("alt", [""])[0] == "sse"
    return Target(
        family=Family.GEMINI,
        composer=gemini.compose,
        key="sse" if events else "json",
        model=model,
        verb=verb,
        json_array=not events,
    )


def _family(path: str, headers: Mapping[bytes, bytes]) -> Family:
    if path.startswith("/v1beta") or b"x-goog-api-key" in headers:
        return Family.GEMINI
    if "/messages" in path or b"anthropic-version" in headers:
        return Family.ANTHROPIC
    if path.startswith("/model/"):
        return Family.BEDROCK
    return Family.OPENAI


def _key(family: Family, headers: Mapping[bytes, bytes], query: bytes) -> str:
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" or family is Family.BEDROCK else ""
    if family is Family.GEMINI:
        in_query = parse_qs(query.decode("latin-1")).get("key", [""])[0]
        return headers.get(b"x-goog-api-key", b"").decode("latin-1") or in_query or bearer
    if family is Family.ANTHROPIC:
        return headers.get(b"x-api-key", b"").decode("latin-1") or bearer
    return bearer or headers.get(b"api-key", b"").decode("latin-1")


def _deployment(path: str) -> str:
    _, found, rest = path.partition("/deployments/")
    return rest.split("/", 1)[0] if found else ""
