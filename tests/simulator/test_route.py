"""Paths find their dialect, and keys their place."""

from __future__ import annotations

import pytest

from tollhouse.simulator.dialects import anthropic, gemini, openai_chat, openai_responses
from tollhouse.simulator.dialects.base import Composer
from tollhouse.simulator.route import key_refusal, route
from tollhouse.wire.call import Family


@pytest.mark.parametrize(
    ("path", "family", "composer", "model"),
    [
        ("/v1/chat/completions", Family.OPENAI, openai_chat.compose, ""),
        ("/api/v1/chat/completions", Family.OPENAI, openai_chat.compose, ""),
        ("/openai/deployments/gpt-x/chat/completions", Family.OPENAI, openai_chat.compose, "gpt-x"),
        ("/openai/v1/responses", Family.OPENAI, openai_responses.compose, ""),
        ("/v1/messages", Family.ANTHROPIC, anthropic.compose, ""),
        ("/v1/messages/count_tokens", Family.ANTHROPIC, anthropic.count_tokens, ""),
        ("/v1/models/gemini-x:generateContent", Family.GEMINI, gemini.compose, "gemini-x"),
        ("/v1/messages/batches", Family.ANTHROPIC, None, ""),
        ("/v1/files", Family.OPENAI, None, ""),
        ("/model/m/converse", Family.BEDROCK, None, ""),
    ],
)
def test_posts(path: str, family: Family, composer: Composer | None, model: str) -> None:
    """A path's end decides who answers; Azure's and Gemini's paths also name the model."""
    target = route("POST", path, b"", {})
    assert (target.family, target.composer, target.model) == (family, composer, model)


def test_gemini_streams_differ_by_their_query() -> None:
    """`alt=sse` asks for events, its absence for an array, and the two are never mistaken for each other."""
    path = "/v1beta/models/m:streamGenerateContent"
    events, array = route("POST", path, b"alt=sse", {}), route("POST", path, b"", {})
    assert (events.json_array, array.json_array, events.verb) == (False, True, "streamGenerateContent")
    assert events.key != array.key


@pytest.mark.parametrize(
    ("family", "headers", "query"),
    [
        (Family.OPENAI, {b"authorization": b"Bearer k"}, b""),
        (Family.OPENAI, {b"api-key": b"k"}, b""),
        (Family.ANTHROPIC, {b"x-api-key": b"k"}, b""),
        (Family.ANTHROPIC, {b"authorization": b"bearer k"}, b""),
        (Family.GEMINI, {b"x-goog-api-key": b"k"}, b""),
        (Family.GEMINI, {}, b"alt=sse&key=k"),
        (Family.BEDROCK, {b"authorization": b"AWS4-HMAC-SHA256 Credential=x"}, b""),
    ],
)
def test_keys_in_their_usual_place(family: Family, headers: dict[bytes, bytes], query: bytes) -> None:
    """Each provider's own place for a key is accepted, and nothing else is."""
    assert key_refusal(family, headers, query) is None
    assert key_refusal(family, {}, b"") is not None
