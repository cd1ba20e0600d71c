"""Which API a method and a path speak, and what a near miss is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.call import Dialect, Family, Operation, Route
from tollhouse.wire.paths import match


@pytest.mark.parametrize(
    ("method", "path", "headers", "family", "dialect", "operation"),
    [
        ("POST", "/v1/chat/completions", (), Family.OPENAI, Dialect.OPENAI_CHAT, Operation.CHAT),
        ("POST", "/v1/responses", (), Family.OPENAI, Dialect.OPENAI_RESPONSES, Operation.CHAT),
        ("POST", "/v1/embeddings", (), Family.OPENAI, Dialect.OPENAI_EMBEDDINGS, Operation.EMBEDDINGS),
        ("GET", "/v1/models", (), Family.OPENAI, Dialect.FREE, Operation.MODELS),
        ("GET", "/v1/models", ("anthropic-version",), Family.ANTHROPIC, Dialect.FREE, Operation.MODELS),
        ("GET", "/v1/models/a/b:c@1", ("x-goog-api-key",), Family.GEMINI, Dialect.FREE, Operation.MODELS),
        ("GET", "/v1beta/models", (), Family.GEMINI, Dialect.FREE, Operation.MODELS),
        ("GET", "/v1beta/models/gemini-x", (), Family.GEMINI, Dialect.FREE, Operation.MODELS),
        ("GET", "/v1/responses/resp_1", (), Family.OPENAI, Dialect.FREE, Operation.RAW),
        ("DELETE", "/v1/responses/resp_1", (), Family.OPENAI, Dialect.FREE, Operation.RAW),
        ("POST", "/v1/responses/resp_1/cancel", (), Family.OPENAI, Dialect.FREE, Operation.RAW),
        ("GET", "/v1/responses/resp_1/input_items", (), Family.OPENAI, Dialect.FREE, Operation.RAW),
        ("POST", "/v1/messages", (), Family.ANTHROPIC, Dialect.ANTHROPIC_MESSAGES, Operation.CHAT),
        ("POST", "/v1/messages/count_tokens", (), Family.ANTHROPIC, Dialect.FREE, Operation.COUNT_TOKENS),
        ("POST", "/v1beta/models/g:countTokens", (), Family.GEMINI, Dialect.FREE, Operation.COUNT_TOKENS),
    ],
)
def test_own_paths(
    method: str, path: str, headers: tuple[str, ...], family: Family, dialect: Dialect, operation: Operation
) -> None:
    """Given each path that is served, when matched, then its API is known and the path goes up as it is."""
    route = match(method, path, headers)
    assert isinstance(route, Route), route
    assert (route.family, route.dialect, route.operation) == (family, dialect, operation)
    assert (route.provider, route.upstream_path) == (None, path)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize(("verb", "stream"), [("generateContent", False), ("streamGenerateContent", True)])
@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/gemini@001", "publishers/google/gemini@001"),
        ("ft:gemini:x", "ft:gemini:x"),
        ("gemini%2D2.5%3Ax", "gemini-2.5:x"),
    ],
)
def test_gemini_paths(version: str, verb: str, stream: bool, written: str, model: str) -> None:
    """Given a model in the path, when matched, then its name is decoded and the path is not."""
    path = f"/{version}/models/{written}:{verb}"
    route = match("POST", path, ())
    assert isinstance(route, Route), route
    assert (route.dialect, route.model, route.stream) == (Dialect.GEMINI_GENERATE, model, stream)
    assert route.upstream_path == path


def test_tuned_models_keep_their_prefix() -> None:
    """Given a tuned model, when matched, then its name says so, as its price does."""
    route = match("POST", "/v1beta/tunedModels/mine:generateContent", ())
    assert isinstance(route, Route)
    assert route.model == "tunedModels/mine"


@pytest.mark.parametrize(
    ("method", "rest", "dialect", "family"),
    [
        ("POST", "/openai/v1/chat/completions", Dialect.OPENAI_CHAT, Family.OPENAI),
        ("POST", "/chat/completions", Dialect.OPENAI_CHAT, Family.OPENAI),
        ("POST", "/v1/responses", Dialect.OPENAI_RESPONSES, Family.OPENAI),
        ("POST", "/v1/embeddings", Dialect.OPENAI_EMBEDDINGS, Family.OPENAI),
        ("POST", "/anthropic/v1/messages", Dialect.ANTHROPIC_MESSAGES, Family.ANTHROPIC),
        ("POST", "/v1/messages/count_tokens", Dialect.FREE, Family.ANTHROPIC),
        ("POST", "/v1beta/models/g:generateContent", Dialect.GEMINI_GENERATE, Family.GEMINI),
        (
            "POST",
            "/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
            Dialect.GEMINI_GENERATE,
            Family.GEMINI,
        ),
        ("GET", "/api/v1/models", Dialect.FREE, Family.OPENAI),
        ("GET", "/v1/chat/completions", Dialect.RAW, Family.OPENAI),
        ("POST", "/v1/threads/t/messages", Dialect.RAW, Family.OPENAI),
        ("PUT", "/v1/anything", Dialect.RAW, Family.OPENAI),
        ("POST", "/", Dialect.RAW, Family.OPENAI),
    ],
)
def test_paths_of_a_provider(method: str, rest: str, dialect: Dialect, family: Family) -> None:
    """Given a path behind a provider's name, when matched, then the rest goes up as it is and its end is recognised."""
    route = match(method, "/providers/my-groq.1" + rest, ())
    assert isinstance(route, Route), route
    assert (route.provider, route.upstream_path) == ("my-groq.1", rest)
    assert (route.dialect, route.family) == (dialect, family)


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/chat/completions", "followed by /v1"),
        ("/v1/v1/chat/completions", "followed by /v1"),
        ("/openai/v1/chat/completions", "followed by /v1"),
        ("/openai/v1/responses", "followed by /v1"),
        ("/v1/chat/completions/", "must not end with a slash"),
        ("/embeddings", "followed by /v1"),
        ("/models", "followed by /v1"),
        ("/v1/v1/messages", "address alone, without /v1"),
        ("/messages", "address alone, without /v1"),
        ("/anthropic/v1/messages", "address alone, without /v1"),
        ("/v1beta/v1beta/models/g:generateContent", "without a version"),
        ("/models/g:generateContent", "without a version"),
        ("/v1", "followed by /v1"),
        ("/v1/", "followed by /v1"),
        ("/", "followed by /v1"),
        ("/v1/files", "/providers/{name}/"),
        ("/v1/models/", "followed by /v1"),
        ("/v1beta/models/g:embedContent", "under /providers/{name}/"),
        ("/v1/models/g:batchEmbedContents", "under /providers/{name}/"),
    ],
)
def test_near_misses_are_told_the_base_url(path: str, advice: str) -> None:
    """Given a path that a wrong base URL makes, when matched, then the refusal names the right one."""
    refusal = match("POST", path, ())
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NO_ROUTE
    assert advice in refusal.message


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET"),
        ("POST", "/v1beta/models", "GET"),
        ("GET", "/v1beta/models/g:generateContent", "POST"),
        ("PUT", "/v1/responses/resp_1", "GET or DELETE"),
        ("GET", "/v1/responses/resp_1/cancel", "POST"),
    ],
)
def test_a_wrong_method_is_told_which(method: str, path: str, expected: str) -> None:
    """Given a known path with another method, when matched, then the refusal says which it takes."""
    refusal = match(method, path, ())
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.message) == (RefusalCode.BAD_REQUEST, f"this path takes {expected} requests only")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin",
        "/v1/./models",
        "/v1/models/..",
        "/providers/x/../y",
        "/providers/x/%2e%2e/y",
        "/providers/x/.%2E",
        "//v1/models",
        "/providers/x//y",
        "/providers/x/a%2fb",
        "/providers/x/a%2Fb",
        "/providers/x/a%5cb",
        "/providers/x/a\\b",
        "/providers/x/%00",
        "/providers/x/%0a",
        "/providers/x/%7f",
        "/providers/x/%C3%A9",
        "/providers/x/é",
        "/providers/x/a b",
        "/providers/x/a\nb",
        "/providers/x/%zz",
        "/providers/x/%2",
        "/providers/x/a?b",
        "/providers/x/a#b",
        "v1/models",
        "",
        "/v1beta/models/%20:generateContent",
        "/providers/x/" + "a" * 3000,
    ],
)
def test_tricks_are_refused(path: str) -> None:
    """Given a path that two readers could take differently, when matched, then it is a bad request."""
    refusal = match("POST", path, ())
    assert isinstance(refusal, Refusal), refusal
    assert refusal.code is RefusalCode.BAD_REQUEST


@given(st.text(max_size=40), st.sampled_from(["/", "/v1/", "/providers/x/", "/v1beta/models/"]))
def test_nothing_is_echoed_and_nothing_raises(tail: str, head: str) -> None:
    """Given any path, when matched, then there is a route or a refusal, which does not repeat what was sent."""
    verdict = match("POST", head + "zqz" + tail, ())
    assert not isinstance(verdict, Refusal) or "zqz" not in verdict.message


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get"])
def test_a_provider_gets_ordinary_methods_only(method: str) -> None:
    """TRACE would return the provider's key to its sender, CONNECT is no request of ours."""
    refusal = match(method, "/providers/openai/v1/files", ())
    assert isinstance(refusal, Refusal) and refusal.code is RefusalCode.BAD_REQUEST
