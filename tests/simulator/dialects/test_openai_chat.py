"""OpenAI Chat Completions, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pydantic
import pytest

from tollhouse.simulator.app import SimulatorApp

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weigh",
        "parameters": {"type": "object", "properties": {"cart": {"type": "string"}, "axles": {"type": "integer"}}},
    },
}


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


def _simulate(text: str) -> dict[str, str]:
    return {"X-Simulate": text}


def test_a_plain_answer(client: openai.OpenAI, app: SimulatorApp) -> None:
    """An undated model comes back dated, the amounts are those asked for, and the bill agrees with the answer."""
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        extra_headers=_simulate(
            "input_tokens=500; cached_tokens=400; cache_write_tokens=10; output_tokens=30; reasoning_tokens=20"
        ),
    )
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (500, 30, 530)
    assert answer.usage.prompt_tokens_details.cached_tokens == 400
    assert answer.usage.prompt_tokens_details.cache_write_tokens == 10
    assert answer.usage.completion_tokens_details.reasoning_tokens == 20
    (bill,) = app.bills.billed(None)["bills"]
    assert (bill.id, bill.request_id) == (answer.id, answer._request_id)
    assert (bill.input_tokens, bill.output_tokens, bill.cached_tokens, bill.reasoning_tokens) == (500, 30, 400, 20)
    assert (bill.dialect, bill.finished, bill.streaming) == ("openai_chat", True, False)


def test_a_stream_has_usage_only_on_request(client: openai.OpenAI) -> None:
    """Without `include_usage` no chunk has usage; with it one chunk without choices does, and the others have null."""
    plain = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain)
    assert plain[0].choices[0].delta.role == "assistant"
    assert plain[-1].choices[0].finish_reason == "stop"
    asked = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert [chunk.usage is not None for chunk in asked] == [False] * (len(asked) - 1) + [True]
    assert asked[-1].choices == [] and asked[-1].usage.completion_tokens > 0


def test_the_stream_says_what_the_plain_answer_says(client: openai.OpenAI) -> None:
    """Choices are interleaved, and each has its own text and end."""
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, n=3, extra_headers=_simulate("chunks=4")
        )
    )
    texts: dict[int, str] = {}
    for chunk in chunks:
        (choice,) = chunk.choices
        texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert len(texts) == 3 and all(texts.values())
    assert len(chunks) == 3 * (1 + 4 + 1)


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_when_required(client: openai.OpenAI, stream: bool) -> None:
    """The arguments fit the tool's schema, whole or put together from deltas."""
    if stream:
        with client.chat.completions.stream(
            model="gpt-4o", messages=HELLO, tools=[TOOL], tool_choice="required"
        ) as events:
            answer = events.get_final_completion()
    else:
        answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[TOOL], tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weigh", '{"cart":"toll","axles":1}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tools_are_left_alone_unless_asked_for(client: openai.OpenAI) -> None:
    """With the choice left open, only the control makes a call."""
    left = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[TOOL])
    assert left.choices[0].message.tool_calls is None
    told = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, tools=[TOOL], extra_headers=_simulate("tool=true")
    )
    assert told.choices[0].message.tool_calls


def test_structured_answers_parse(client: openai.OpenAI) -> None:
    """The SDK's own parser accepts the JSON made for a schema."""

    class Toll(pydantic.BaseModel):
        cart: str
        axles: int
        goods: list[str]

    answer = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Toll)
    assert answer.choices[0].message.parsed == Toll(cart="toll", axles=1, goods=["toll"])


@pytest.mark.parametrize("stream", [False, True])
def test_refusals(client: openai.OpenAI, stream: bool) -> None:
    """A refusal stands where refusals stand, and there is no content."""
    if stream:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, extra_headers=_simulate("refusal=true")
        )
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert "".join(delta.refusal or "" for delta in deltas).startswith("I'm sorry")
        assert not any(delta.content for delta in deltas)
    else:
        answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_headers=_simulate("refusal=true"))
        assert answer.choices[0].message.refusal.startswith("I'm sorry")
        assert answer.choices[0].message.content is None


def test_the_requests_limit_ends_the_answer(client: openai.OpenAI) -> None:
    """An answer cut by `max_completion_tokens` finishes with `length` and counts no more than that."""
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, max_completion_tokens=3)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 3)


@pytest.mark.parametrize(
    "body", [{"metadata": {"simulate": "output_tokens=77"}}, {"user": "simulate: output_tokens=77"}]
)
def test_controls_may_stand_in_the_body(client: openai.OpenAI, body: dict[str, object]) -> None:
    """`metadata.simulate`, or a `user` that begins with `simulate:`, does what the header does."""
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_body=body)
    assert answer.usage.completion_tokens == 77


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": HELLO}, "model"),
        ({"model": "gpt-4o", "messages": []}, "empty array"),
        ({"model": "gpt-4o"}, "messages"),
        ({"model": "gpt-4o", "messages": HELLO, "n": 0}, "'n'"),
    ],
)
def test_bad_requests_are_refused(client: openai.OpenAI, body: dict[str, object], message: str) -> None:
    """A request the real one would refuse gets its 400, and is not billed."""
    with pytest.raises(openai.BadRequestError, match=message):
        client.post("/chat/completions", body=body, cast_to=object)


@pytest.mark.anyio
async def test_the_asynchronous_client(url: str) -> None:
    """The asynchronous SDK reads streams as well."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        stream = await client.chat.completions.create(model="o3", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
    assert chunks[0].model == "o3-2025-04-16"
    assert chunks[-1].choices[0].finish_reason == "stop"
