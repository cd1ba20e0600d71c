"""The event sequence of OpenAI Responses, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


def test_the_streams_sequence(client: openai.OpenAI) -> None:
    """Events come in the real order with consecutive sequence numbers, and the last one has the whole response."""
    events = list(
        client.responses.create(
            model="gpt-5", input="hello", stream=True, extra_headers={"X-Simulate": "chunks=2; reasoning_tokens=9"}
        )
    )
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[6].delta + events[7].delta == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens_details.reasoning_tokens == 9


def test_refusals_stream(client: openai.OpenAI) -> None:
    """A refusal has events of its own."""
    events = list(
        client.responses.create(model="gpt-5", input="x", stream=True, extra_headers={"X-Simulate": "refusal=true"})
    )
    assert {"response.refusal.delta", "response.refusal.done"} <= {event.type for event in events}
