"""Anthropic Messages requests: whose tools they are, and content that is more than text."""

from __future__ import annotations

import json

import pytest

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.anthropic_messages import read_request
from tollhouse.wire.paths import match


def messages(fields: dict[str, object]) -> Call | Refusal:
    """What reading a body gives."""
    route = match("POST", "/v1/messages", ())
    assert isinstance(route, Route)
    return read_request(route, json.dumps({"model": "m", **fields}).encode())


def call_of(fields: dict[str, object]) -> Call:
    """The call of a body that is fine."""
    call = messages(fields)
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("tool", "referenced", "unbounded"),
    [
        ({"name": "f"}, False, False),
        ({"type": "custom", "name": "f"}, False, False),
        ({"type": "text_editor_20250728"}, True, False),
        ({"type": "computer_20251124"}, True, False),
        ({"type": "memory_20250818"}, True, False),
        ({"type": "bash_2025"}, True, True),
        ({"type": "bash_20250124_x"}, True, True),
        ({"type": "web_fetch_20250910"}, True, True),
        ({"type": "Custom"}, True, True),
    ],
)
def test_a_tools_type_tells_who_runs_it(tool: dict[str, str], referenced: bool, unbounded: bool) -> None:
    """Given each kind of tool, when read, then what Anthropic describes is unseen input, what it runs has no bound."""
    call = call_of({"tools": [{"name": "mine"}, tool]})
    assert (call.referenced, call.unbounded) == (referenced, unbounded)


@pytest.mark.parametrize(
    ("content", "referenced"),
    [
        ("text", False),
        (None, False),
        ([], False),
        ([{"type": "text"}, {"type": "thinking"}, {"type": "redacted_thinking"}, {"type": "tool_use"}], False),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "x"}]}], False),
        ([{"type": "tool_result", "content": None}], False),
        ([{"type": "tool_result", "content": [{"type": "image"}]}], True),
        ([{"type": "tool_result", "content": {"type": "document"}}], True),
        ([{"type": "tool_result", "content": ["bare"]}], True),
        ([{"text": "no type"}], True),
        ([{"type": "container_upload", "file_id": "f"}], True),
    ],
)
def test_blocks_that_are_not_text_are_referenced(content: object, referenced: bool) -> None:
    """Given blocks of each kind, also inside a tool's result, when read, then only text is bounded by its bytes."""
    assert call_of({"messages": [{"content": content}]}).referenced is referenced


def test_content_that_is_neither_text_nor_blocks_is_refused() -> None:
    """Given one object for content, which nobody takes here, when read, then `messages` is named."""
    refusal = messages({"messages": [{"content": {"type": "text"}}]})
    assert isinstance(refusal, Refusal)
    assert "`messages`" in refusal.message


def test_one_answer_and_usage_always() -> None:
    """Given a streamed call, when read, then it has one choice and its usage comes unasked."""
    call = call_of({"stream": True, "max_tokens": 0, "thinking": {"type": "enabled"}, "metadata": None})
    assert (call.choices, call.asked_usage, call.max_output_tokens, call.metadata) == (1, True, 0, {})
