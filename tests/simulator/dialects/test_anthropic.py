"""Anthropic Messages, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest

from tollhouse.simulator.app import SimulatorApp

HELLO = [{"role": "user", "content": "hello"}]
MODEL = "claude-opus-5"
TOOL = {"name": "weigh", "input_schema": {"type": "object", "properties": {"cart": {"type": "string"}}}}
CACHED = {
    "X-Simulate": "input_tokens=1000; cached_tokens=700; cache_write_tokens=100; cache_write_1h_tokens=50; "
    "output_tokens=60"
}


@pytest.fixture
def client(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="sk-test", max_retries=0) as client:
        yield client


def _amounts(usage: anthropic.types.Usage) -> tuple[int | None, ...]:
    return (
        usage.input_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.output_tokens,
    )


def test_a_plain_answer(client: anthropic.Anthropic, app: SimulatorApp) -> None:
    """Input without its cached parts, cache writes by their time to live, and the bill of all input together."""
    answer = client.messages.create(model=MODEL, max_tokens=500, messages=HELLO, extra_headers=CACHED)
    assert (answer.model, answer.stop_reason, answer.content[0].type) == (MODEL, "end_turn", "text")
    assert _amounts(answer.usage) == (150, 700, 150, 60)
    assert answer.usage.cache_creation.ephemeral_5m_input_tokens == 100
    assert answer.usage.cache_creation.ephemeral_1h_input_tokens == 50
    (bill,) = app.bills.billed(None)["bills"]
    assert (bill.id, bill.request_id) == (answer.id, answer._request_id)
    assert (bill.input_tokens, bill.cached_tokens, bill.output_tokens) == (1000, 700, 60)
    assert (bill.cache_write_tokens, bill.cache_write_1h_tokens) == (150, 50)


def test_a_stream_adds_up_to_the_same(client: anthropic.Anthropic) -> None:
    """The SDK accumulates the stream into a whole message with the same amounts."""
    with client.messages.stream(model=MODEL, max_tokens=500, messages=HELLO, extra_headers=CACHED) as stream:
        answer = stream.get_final_message()
    assert answer.content[0].text
    assert _amounts(answer.usage) == (150, 700, 150, 60)


def test_the_streams_sequence(client: anthropic.Anthropic) -> None:
    """Thinking comes first and is signed; a ping follows the first block's start; usage is cumulative."""
    events = list(
        client.messages.create(
            model=MODEL,
            max_tokens=2000,
            messages=HELLO,
            stream=True,
            thinking={"type": "enabled", "budget_tokens": 1024},
            extra_headers={"X-Simulate": "chunks=2; output_tokens=30; reasoning_tokens=20"},
        )
    )
    assert [event.type for event in events if event.type != "ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    deltas = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert deltas == ["thinking_delta", "signature_delta", "text_delta", "text_delta"]
    (final,) = (event for event in events if event.type == "message_delta")
    assert final.usage.output_tokens == 30
    assert final.usage.output_tokens_details.thinking_tokens == 20


def test_a_ping_is_on_the_wire(client: anthropic.Anthropic) -> None:
    """The ping, which the SDK may swallow, is really sent."""
    with client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=9, messages=HELLO, stream=True
    ) as response:
        assert b'event: ping\ndata: {"type": "ping"}\n\n' in response.read()


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_when_required(client: anthropic.Anthropic, stream: bool) -> None:
    """The tool's input fits its schema, whole or put together from JSON deltas."""
    asked = {"model": MODEL, "max_tokens": 99, "messages": HELLO, "tools": [TOOL], "tool_choice": {"type": "any"}}
    if stream:
        with client.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**asked)
    (block,) = answer.content
    assert (block.type, block.name, block.input) == ("tool_use", "weigh", {"cart": "toll"})
    assert answer.stop_reason == "tool_use"


def test_counting_tokens_is_free(client: anthropic.Anthropic, app: SimulatorApp) -> None:
    """A token count is answered and not billed."""
    assert client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0
    assert app.bills.billed(None)["bills"] == []


def test_controls_may_stand_in_the_body(client: anthropic.Anthropic) -> None:
    """A `metadata.user_id` that begins with `simulate:` does what the header does."""
    metadata = {"user_id": "simulate: output_tokens=4; refusal=true"}
    answer = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO, metadata=metadata)
    assert (answer.usage.output_tokens, answer.stop_reason) == (4, "refusal")


def test_the_requests_limit_ends_the_answer(client: anthropic.Anthropic) -> None:
    """A cut answer says `max_tokens`."""
    answer = client.messages.create(model=MODEL, max_tokens=5, messages=HELLO)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 5)


@pytest.mark.parametrize(
    "body", [{"model": MODEL, "messages": HELLO}, {"model": MODEL, "messages": [], "max_tokens": 1}]
)
def test_bad_requests_are_refused(client: anthropic.Anthropic, body: dict[str, object]) -> None:
    """A missing limit or no messages get a 400."""
    with pytest.raises(anthropic.BadRequestError):
        client.post("/v1/messages", body=body, cast_to=object)
