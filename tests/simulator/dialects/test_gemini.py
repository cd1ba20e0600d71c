"""Gemini generateContent, through the official SDK and, for framing, without it."""

from __future__ import annotations

import httpx2
import msgspec
import pytest
from google import genai
from google.genai import errors, types

from tollhouse.simulator.app import SimulatorApp

MODEL = "gemini-2.5-flash"
BODY = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


@pytest.fixture
def client(url: str) -> genai.Client:
    return genai.Client(api_key="key-test", http_options=types.HttpOptions(base_url=url))


def _config(simulate: str, **fields: object) -> types.GenerateContentConfig:
    options = types.HttpOptions(headers={"X-Simulate": simulate})
    return types.GenerateContentConfig(http_options=options, **fields)


def test_a_plain_answer(client: genai.Client, app: SimulatorApp) -> None:
    """Candidates leave thoughts out, the total has them, and the bill counts both as output."""
    config = _config("input_tokens=80; cached_tokens=50; output_tokens=30; reasoning_tokens=20")
    answer = client.models.generate_content(model=MODEL, contents="hello", config=config)
    usage = answer.usage_metadata
    assert answer.text and answer.model_version == MODEL
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (80, 10, 20)
    assert (usage.cached_content_token_count, usage.total_token_count) == (50, 110)
    (bill,) = app.bills.billed(None)["bills"]
    assert (bill.id, bill.input_tokens, bill.output_tokens, bill.reasoning_tokens) == (answer.response_id, 80, 30, 20)


def test_a_stream_counts_up(client: genai.Client) -> None:
    """Every chunk has the usage so far; the last one finishes."""
    config = _config("chunks=4; output_tokens=40")
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="hello", config=config))
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [10, 20, 30, 40]
    assert [chunk.candidates[0].finish_reason for chunk in chunks] == [None, None, None, types.FinishReason.STOP]


def test_thoughts_tools_and_schemas(client: genai.Client) -> None:
    """Thoughts come as parts when asked for, functions when required, JSON when a schema is given."""
    thinking = types.ThinkingConfig(include_thoughts=True)
    config = _config("reasoning_tokens=5", thinking_config=thinking)
    parts = client.models.generate_content(model=MODEL, contents="x", config=config).candidates[0].content.parts
    assert [bool(part.thought) for part in parts] == [True, False]
    function = types.FunctionDeclaration(
        name="weigh", parameters=types.Schema(type=types.Type.OBJECT, properties={"cart": {"type": "STRING"}})
    )
    calling = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
    config = _config("", tools=[types.Tool(function_declarations=[function])], tool_config=calling)
    (call,) = client.models.generate_content(model=MODEL, contents="x", config=config).function_calls
    assert (call.name, call.args) == ("weigh", {"cart": "toll"})
    config = _config("", response_mime_type="application/json", response_schema=list[int])
    assert client.models.generate_content(model=MODEL, contents="x", config=config).parsed == [1]


def test_limits_and_candidates(client: genai.Client) -> None:
    """`maxOutputTokens` cuts each candidate, and each is counted."""
    config = _config("output_tokens=50", max_output_tokens=7, candidate_count=2)
    answer = client.models.generate_content(model=MODEL, contents="x", config=config)
    assert [candidate.finish_reason for candidate in answer.candidates] == [types.FinishReason.MAX_TOKENS] * 2
    assert answer.usage_metadata.candidates_token_count == 14


def test_counting_tokens_is_free(client: genai.Client, app: SimulatorApp) -> None:
    """A token count is answered and not billed."""
    assert client.models.count_tokens(model=MODEL, contents="hello").total_tokens > 0
    assert app.bills.billed(None)["bills"] == []


def test_events_end_with_crlf(url: str) -> None:
    """With `alt=sse` each event is a line of data and CRLF twice, printed as Google prints it."""
    answer = httpx2.post(f"{url}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse&key=k", json=BODY)
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.content.split(b"\r\n\r\n")
    assert events.pop() == b""
    assert all(event.startswith(b'data: {"candidates": [{"content": {"parts": [') for event in events)
    assert b"\n" not in answer.content.replace(b"\r\n", b"")


@pytest.mark.parametrize("simulate", ["chunks=3", "chunks=3; fault=stream_error:1"])
def test_without_events_it_is_one_array(url: str, simulate: str) -> None:
    """Without `alt=sse` the chunks are one JSON array, also when it ends in an error."""
    headers = {"x-goog-api-key": "k", "X-Simulate": simulate}
    answer = httpx2.post(f"{url}/v1/models/{MODEL}:streamGenerateContent", json=BODY, headers=headers)
    chunks = msgspec.json.decode(answer.content)
    assert ["error" in chunk for chunk in chunks] == ([False, True] if "fault" in simulate else [False] * 3)


def test_controls_may_stand_in_the_body(url: str) -> None:
    """`labels.simulate` does what the header does."""
    body = BODY | {"labels": {"simulate": "output_tokens=33"}}
    answer = httpx2.post(f"{url}/v1beta/models/{MODEL}:generateContent?key=k", json=body)
    assert answer.json()["usageMetadata"]["candidatesTokenCount"] == 33


def test_bad_requests_are_refused(client: genai.Client, url: str) -> None:
    """A status in Google's shape: no contents 400, an unknown verb 404."""
    with pytest.raises(errors.ClientError, match="RESOURCE_EXHAUSTED"):
        client.models.generate_content(model=MODEL, contents="x", config=_config("fault=status:429"))
    empty = httpx2.post(f"{url}/v1beta/models/{MODEL}:generateContent?key=k", json={})
    assert (empty.status_code, empty.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    unknown = httpx2.post(f"{url}/v1beta/models/{MODEL}:sing?key=k", json=BODY)
    assert (unknown.status_code, unknown.json()["error"]["status"]) == (404, "NOT_FOUND")
