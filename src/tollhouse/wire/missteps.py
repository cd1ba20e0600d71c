"""What to say to a client whose base URL is set nearly right: which one its SDK needs. Never echoes the path."""

from __future__ import annotations

import re

_OPENAI = "for OpenAI SDKs set the base URL to this gateway's address followed by /v1"
_ANTHROPIC = "for Anthropic SDKs set the base URL to this gateway's address alone, without /v1"
_GEMINI = "for Google GenAI SDKs set the base URL to this gateway's address alone, without a version"
_OTHER = "other paths of a configured provider are reached under /providers/{name}/"

_ENDINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/(?:v1/?)?/?messages(?:/count_tokens|/batches)?$"), _ANTHROPIC),
    (re.compile(r"/v1beta\d*(?:/|$)|:(?:generateContent|streamGenerateContent|countTokens)$"), _GEMINI),
    (re.compile(r"/(?:chat/completions|completions|responses|embeddings|models)$"), _OPENAI),
)


def hint(path: str) -> str:
    """One sentence of advice for a path that leads nowhere."""
    without_slash = path.rstrip("/")
    if path in ("/", "/v1", "/v1/"):
        return f"nothing is served at this path: {_OPENAI}; {_ANTHROPIC}"
    for pattern, advice in _ENDINGS:
        if pattern.search(without_slash):
            slash = "; the path must not end with a slash" if without_slash != path else ""
            return f"nothing is served at this path: {advice}{slash}"
    return f"nothing is served at this path: {_OPENAI}; {_OTHER}"
