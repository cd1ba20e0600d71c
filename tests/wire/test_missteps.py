"""Advice for paths that lead nowhere: one sentence, and nothing of the path in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.wire.missteps import hint


@pytest.mark.parametrize(
    ("path", "sdk"),
    [
        ("/", "OpenAI SDKs"),
        ("/v1", "Anthropic SDKs"),
        ("/v1/", "Anthropic SDKs"),
        ("/messages", "Anthropic SDKs"),
        ("/v1/v1/messages/batches", "Anthropic SDKs"),
        ("/v1beta", "Google GenAI SDKs"),
        ("/v1beta1/models/m", "Google GenAI SDKs"),
        ("/models/m:streamGenerateContent", "Google GenAI SDKs"),
        ("/chat/completions", "OpenAI SDKs"),
        ("/openai/v1/embeddings", "OpenAI SDKs"),
        ("/something/else", "/providers/{name}/"),
        ("/v1betamax", "/providers/{name}/"),
        ("/messages/of/mine", "/providers/{name}/"),
    ],
)
def test_the_sdk_that_asks_so_is_told_its_base_url(path: str, sdk: str) -> None:
    """Given a path as a misconfigured SDK asks it, when nothing is there, then that SDK's base URL is told."""
    assert sdk in hint(path)


def test_a_slash_too_many_is_said_where_it_is_one() -> None:
    """Given a known ending with a slash behind it, when nothing is there, then the slash is named, else not."""
    assert "must not end with a slash" in hint("/v1/chat/completions/")
    assert "slash" not in hint("/x/chat/completions")
    assert "slash" not in hint("/unknown/")


@given(st.text("qzx%/.:", min_size=3, max_size=40))
def test_nothing_of_a_path_is_repeated(path: str) -> None:
    """Given any path, when advised, then it is one of a few sentences, the same for any other path of its kind."""
    assert hint("/" + path) in {hint("/unknown"), hint("/")}
