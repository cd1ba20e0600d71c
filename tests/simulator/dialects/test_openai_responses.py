"""OpenAI Responses, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pydantic
import pytest

from tollhouse.simulator.app import SimulatorApp

TOOL = {
    "type": "function",
    "name": "weigh",
    "strict": True,
    "parameters": {"type": "object", "properties": {"cart": {"type": "string"}}, "required": ["cart"]},
}


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


def test_a_plain_answer(client: openai.OpenAI, app: SimulatorApp) -> None:
    """Text, reasoning item, tier and amounts are there, and billed."""
    answer = client.responses.create(
        model="gpt-5",
        input="hello",
        service_tier="flex",
        include=["reasoning.encrypted_content"],
        extra_headers={"X-Simulate": "input_tokens=90; cached_tokens=64; output_tokens=40; reasoning_tokens=32"},
    )
    assert (answer.status, answer.model, answer.service_tier) == ("completed", "gpt-5-2025-08-07", "flex")
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].encrypted_content
    assert answer.output_text
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (90, 40, 130)
    assert answer.usage.input_tokens_details.cached_tokens == 64
    assert answer.usage.output_tokens_details.reasoning_tokens == 32
    (bill,) = app.bills.billed(None)["bills"]
    assert (bill.id, bill.input_tokens, bill.output_tokens, bill.reasoning_tokens) == (answer.id, 90, 40, 32)


@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_called_when_required(client: openai.OpenAI, stream: bool) -> None:
    """The function call's arguments fit its schema, whole or put together from deltas."""
    if stream:
        with client.responses.stream(model="gpt-5", input="hello", tools=[TOOL], tool_choice="required") as events:
            answer = events.get_final_response()
    else:
        answer = client.responses.create(model="gpt-5", input="hello", tools=[TOOL], tool_choice="required")
    (call,) = answer.output
    assert (call.type, call.name, call.arguments) == ("function_call", "weigh", '{"cart":"toll"}')


def test_structured_answers_parse(client: openai.OpenAI) -> None:
    """The SDK's own parser accepts the JSON made for a schema."""

    class Toll(pydantic.BaseModel):
        cart: str
        paid: bool

    answer = client.responses.parse(model="gpt-5", input="hello", text_format=Toll)
    assert answer.output_parsed == Toll(cart="toll", paid=True)


def test_the_requests_limit_makes_it_incomplete(client: openai.OpenAI) -> None:
    """A cut answer is `incomplete` with its reason; its stream ends with that event."""
    answer = client.responses.create(model="gpt-5", input="hello", max_output_tokens=2)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    *_, last = client.responses.create(model="gpt-5", input="hello", max_output_tokens=2, stream=True)
    assert last.type == "response.incomplete"


@pytest.mark.parametrize("body", [{"input": "x"}, {"model": "gpt-5"}, {"model": "gpt-5", "input": 7}])
def test_bad_requests_are_refused(client: openai.OpenAI, body: dict[str, object]) -> None:
    """A missing model or input, or an input of the wrong kind, gets a 400."""
    with pytest.raises(openai.BadRequestError):
        client.post("/responses", body=body, cast_to=object)
