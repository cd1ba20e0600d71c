"""Head: the response headers that each provider sends beside its answers.

Pure. The request id is a number of its own for every answer, so that two equal requests can be told apart.
"""

from __future__ import annotations

from tollhouse.simulator.answer import Answer
from tollhouse.wire.call import Family

Headers = list[tuple[bytes, bytes]]

_OPENAI: Headers = [
    (b"server", b"cloudflare"),
    (b"openai-organization", b"toll-simulated"),
    (b"openai-processing-ms", b"137"),
    (b"openai-version", b"2020-10-01"),
    (b"openai-project", b"proj_SimulatedTollProject1"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-limit-tokens", b"2000000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-ratelimit-remaining-tokens", b"1999900"),
    (b"x-ratelimit-reset-requests", b"6ms"),
    (b"x-ratelimit-reset-tokens", b"3ms"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
    (b"cf-cache-status", b"DYNAMIC"),
    (b"set-cookie", b"__cf_bm=simulated.cookie.value; path=/; HttpOnly; Secure; SameSite=None"),
    (b"x-content-type-options", b"nosniff"),
    (b"alt-svc", b'h3=":443"; ma=86400'),
]
_ANTHROPIC: Headers = [
    (b"server", b"cloudflare"),
    (b"anthropic-ratelimit-requests-limit", b"4000"),
    (b"anthropic-ratelimit-requests-remaining", b"3999"),
    (b"anthropic-ratelimit-requests-reset", b"2026-01-31T12:00:00Z"),
    (b"anthropic-ratelimit-input-tokens-limit", b"2000000"),
    (b"anthropic-ratelimit-input-tokens-remaining", b"1999000"),
    (b"anthropic-ratelimit-input-tokens-reset", b"2026-01-31T12:00:00Z"),
    (b"anthropic-ratelimit-output-tokens-limit", b"400000"),
    (b"anthropic-ratelimit-output-tokens-remaining", b"399000"),
    (b"anthropic-ratelimit-output-tokens-reset", b"2026-01-31T12:00:00Z"),
    (b"anthropic-organization-id", b"00000000-0000-4000-8000-00000000a11c"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
    (b"cf-cache-status", b"DYNAMIC"),
    (b"set-cookie", b"_cfuvid=simulated.cookie.value; HttpOnly; SameSite=None; Secure; Path=/"),
    (b"x-robots-tag", b"none"),
]
_GEMINI: Headers = [
    (b"server", b"scaffolding on HTTPServer2"),
    (b"vary", b"Origin"),
    (b"vary", b"X-Origin"),
    (b"vary", b"Referer"),
    (b"x-xss-protection", b"0"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"server-timing", b"gfet4t7; dur=137"),
    (b"set-cookie", b"NID=simulated.cookie.value; path=/; HttpOnly"),
]
_OF_FAMILY: dict[Family, tuple[Headers, bytes, bytes]] = {
    Family.OPENAI: (_OPENAI, b"x-request-id", b"req_%032x"),
    Family.ANTHROPIC: (_ANTHROPIC, b"request-id", b"req_011Toll%017d"),
    Family.GEMINI: (_GEMINI, b"x-goog-request-id", b"%016x"),
    Family.BEDROCK: ([], b"x-amzn-requestid", b"00000000-0000-4000-8000-%012x"),
}


def request_id(family: Family, number: int) -> bytes:
    """The provider's id of the answer with this number."""
    return _OF_FAMILY[family][2] % number


def headers_of(family: Family, answer: Answer, request: bytes) -> Headers:
    """The answer's headers without those of its framing (length, encoding)."""
    base, name, _ = _OF_FAMILY[family]
    headers = [(b"content-type", answer.content_type), (name, request), *base]
    if answer.events is not None:
        headers.append((b"cache-control", b"no-cache"))
    if answer.headers:
        headers += answer.headers
    return headers
