"""Paths: which API a request's method and path speak, read from the head alone.

Rules: a path is matched as it is written; what could be read in two ways (dot segments, doubled or encoded slashes,
control or foreign characters) is refused, never cleaned up. The percent-encoding that is admitted goes upstream
untouched and is decoded only for the model's name. A near miss is told which base URL its SDK needs. Nothing of the
path is ever echoed.
"""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import unquote_to_bytes

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.call import Dialect, Family, Operation, Route
from tollhouse.wire.missteps import hint
from tollhouse.wire.wording import is_model

PATH_CHARACTERS_MAX = 2048

_WRITTEN = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/|^\[\]{}-]|%[0-9A-Fa-f]{2})+")
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\uffff\\]")
_GEMINI = re.compile(r"(.*/)((?:models|tunedModels)/[^:]+(?::[^:]+)*?):([A-Za-z]+)")
_RESPONSE = re.compile(r"/v1/responses/[A-Za-z0-9_-]{1,200}(/cancel|/input_items)?")
_MODEL_OF_V1 = re.compile(r"/v1/models/(.+)")
_PROVIDER = re.compile(r"/providers/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(/.*)")

_OTHER_VERB = "this method of a model is not served here; it is reached under /providers/{name}/, unmetered"

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""What may go to a provider unread: TRACE would give the provider's key back to who sent it, CONNECT a tunnel."""

_Shape = tuple[str, Family, Dialect, Operation]

_FIXED: dict[str, _Shape] = {
    "/v1/chat/completions": ("POST", Family.OPENAI, Dialect.OPENAI_CHAT, Operation.CHAT),
    "/v1/responses": ("POST", Family.OPENAI, Dialect.OPENAI_RESPONSES, Operation.CHAT),
    "/v1/embeddings": ("POST", Family.OPENAI, Dialect.OPENAI_EMBEDDINGS, Operation.EMBEDDINGS),
    "/v1/messages": ("POST", Family.ANTHROPIC, Dialect.ANTHROPIC_MESSAGES, Operation.CHAT),
    "/v1/messages/count_tokens": ("POST", Family.ANTHROPIC, Dialect.FREE, Operation.COUNT_TOKENS),
    "/v1beta/models": ("GET", Family.GEMINI, Dialect.FREE, Operation.MODELS),
}

_SUFFIXES: tuple[tuple[str, _Shape], ...] = (
    ("/chat/completions", _FIXED["/v1/chat/completions"]),
    ("/v1/messages", _FIXED["/v1/messages"]),
    ("/v1/messages/count_tokens", _FIXED["/v1/messages/count_tokens"]),
    ("/responses", _FIXED["/v1/responses"]),
    ("/embeddings", _FIXED["/v1/embeddings"]),
)
"""Shapes recognised behind a provider's own prefix."""

_VERBS: dict[str, tuple[Dialect, Operation, bool]] = {
    "generateContent": (Dialect.GEMINI_GENERATE, Operation.GENERATE_CONTENT, False),
    "streamGenerateContent": (Dialect.GEMINI_GENERATE, Operation.GENERATE_CONTENT, True),
    "countTokens": (Dialect.FREE, Operation.COUNT_TOKENS, False),
}


def match(method: str, raw_path: str, header_names: Container[str]) -> Route | Refusal:
    """The route of a request; `raw_path` as on the wire without the query, header names in lower case."""
    shape = _FIXED.get(raw_path)
    if shape is not None:
        if method != shape[0]:
            return _wrong_method(shape[0])
        return Route(
            family=shape[1], dialect=shape[2], operation=shape[3], provider=None, upstream_path=raw_path, stream=None
        )
    refusal = _check(raw_path)
    if refusal is not None:
        return refusal
    if raw_path.startswith("/providers/"):
        return _provider_route(method, raw_path, header_names)
    return _gemini(method, raw_path, None) or _listed(method, raw_path, header_names) or _no_route(raw_path)


def _check(path: str) -> Refusal | None:
    """Refuses what two readers could understand differently."""
    if len(path) > PATH_CHARACTERS_MAX:
        return _bad("the path is too long")
    if not path.startswith("/") or _WRITTEN.fullmatch(path) is None:
        return _bad("the path has characters that are not allowed, or a broken percent-encoding")
    if "//" in path:
        return _bad("the path has an empty segment")
    decoded = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    if decoded.count("/") != path.count("/"):
        return _bad("the path has an encoded slash")
    if decoded is not path and _CONTROL.search(decoded):
        return _bad("the path has characters that are not allowed")
    if _DOTS.search(decoded):
        return _bad("the path has a dot segment")
    return None


def _provider_route(method: str, path: str, header_names: Container[str]) -> Route | Refusal:
    """`/providers/{name}/…`: the rest goes to that provider as it is, metered if its end is a shape we know."""
    found = _PROVIDER.fullmatch(path)
    if found is None:
        return _refuse(RefusalCode.NO_ROUTE, "after /providers/ come a configured provider's name and a path")
    if method not in METHODS:
        return _refuse(
            RefusalCode.BAD_REQUEST, "this path takes GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS requests only"
        )
    name, rest = found.groups()
    gemini = _gemini(method, rest, name)
    if isinstance(gemini, Route):
        return gemini
    for suffix, (its_method, family, dialect, operation) in _SUFFIXES:
        if method == its_method and rest.endswith(suffix):
            return Route(family=family, dialect=dialect, operation=operation, provider=name, upstream_path=rest)
    free = method == "GET" and rest.endswith("/models")
    return Route(
        family=_family(header_names),
        dialect=Dialect.FREE if free else Dialect.RAW,
        operation=Operation.MODELS if free else Operation.RAW,
        provider=name,
        upstream_path=rest,
    )


def _gemini(method: str, path: str, provider: str | None) -> Route | Refusal | None:
    """`…/models/{m}:verb`; behind a provider's name with any prefix, else under /v1beta and /v1 alone."""
    found = _GEMINI.fullmatch(path)
    if found is None or (provider is None and found.group(1) not in ("/v1beta/", "/v1/")):
        return None
    verb = _VERBS.get(found.group(3))
    if verb is None:
        return None if provider is not None or method != "POST" else _refuse(RefusalCode.NO_ROUTE, _OTHER_VERB)
    model = unquote_to_bytes(found.group(2)).decode("ascii", "replace").removeprefix("models/")
    if not is_model(model):
        return _bad("the model's name in the path has characters that are not allowed")
    if method != "POST":
        return _wrong_method("POST")
    dialect, operation, stream = verb
    return Route(
        family=Family.GEMINI,
        dialect=dialect,
        operation=operation,
        provider=provider,
        upstream_path=path,
        model=model,
        stream=stream,
    )


def _listed(method: str, path: str, header_names: Container[str]) -> Route | Refusal | None:
    """Model lists, which three APIs share, and what is done with a stored response."""
    if path == "/v1/models" or path.startswith("/v1beta/models/") or _MODEL_OF_V1.fullmatch(path):
        if path.endswith("/"):
            return None
        if method != "GET":
            return _wrong_method("GET")
        family = Family.GEMINI if path.startswith("/v1beta/") else _family(header_names)
        return _free(family, Operation.MODELS, path)
    stored = _RESPONSE.fullmatch(path)
    if stored is None:
        return None
    expected = {"/cancel": ("POST",), "/input_items": ("GET",)}.get(stored.group(1) or "", ("GET", "DELETE"))
    # Looking at an answer again is not billed again, nor is deleting or cancelling it.
    return _free(Family.OPENAI, Operation.RAW, path) if method in expected else _wrong_method(" or ".join(expected))


def _free(family: Family, operation: Operation, path: str) -> Route:
    return Route(
        family=family, dialect=Dialect.FREE, operation=operation, provider=None, upstream_path=path, stream=False
    )


def _family(header_names: Container[str]) -> Family:
    """Whose SDK speaks, where the path does not tell."""
    if "anthropic-version" in header_names:
        return Family.ANTHROPIC
    return Family.GEMINI if "x-goog-api-key" in header_names else Family.OPENAI


def _no_route(path: str) -> Refusal:
    return _refuse(RefusalCode.NO_ROUTE, hint(path))


def _wrong_method(expected: str) -> Refusal:
    return _refuse(RefusalCode.BAD_REQUEST, f"this path takes {expected} requests only")


def _bad(message: str) -> Refusal:
    return _refuse(RefusalCode.BAD_REQUEST, message)


def _refuse(code: RefusalCode, message: str) -> Refusal:
    return Refusal(code=code, message=message)
