"""Error bodies are understood by the official SDKs, with our code and the request id in them."""

from __future__ import annotations

import json

import anthropic
import google.genai.errors as genai_errors
import httpx2
import openai
import pytest

from tollhouse.kernel.refusal import RefusalCode
from tollhouse.wire.call import Family
from tollhouse.wire.errors import bedrock_type, error_body

CODES = [pytest.param(code, id=code.code) for code in RefusalCode]


def answer(family: Family, code: RefusalCode) -> httpx2.Response:
    """The refusal as an SDK's HTTP client sees it."""
    body = error_body(family, code.code, code.status, "why not", "req_1")
    return httpx2.Response(code.status, content=body, headers={"content-type": "application/json"})


def transport(family: Family, code: RefusalCode) -> httpx2.Client:
    """A client whose every answer is the refusal."""
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: answer(family, code)))


@pytest.mark.parametrize("code", CODES)
def test_openai_reads_its_shape(code: RefusalCode) -> None:
    """Given a refusal, when the OpenAI SDK reads it, then its error has our code, a type, the request id."""
    client = openai.OpenAI(
        api_key="k", base_url="http://x/v1", max_retries=0, http_client=transport(Family.OPENAI, code)
    )
    with pytest.raises(openai.APIStatusError) as caught:
        client.models.list()
    assert (caught.value.status_code, caught.value.code) == (code.status, code.code)
    assert caught.value.type
    assert "why not" in str(caught.value)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["request_id"] == "req_1"


@pytest.mark.parametrize("code", CODES)
def test_anthropic_reads_its_shape(code: RefusalCode) -> None:
    """Given a refusal, when the Anthropic SDK reads it, then its error has our code and a type of its own."""
    client = anthropic.Anthropic(
        api_key="k", base_url="http://x", max_retries=0, http_client=transport(Family.ANTHROPIC, code)
    )
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.models.list()
    assert (caught.value.status_code, caught.value.error_code) == (code.status, code.code)
    assert caught.value.type is not None
    assert caught.value.type.endswith(("_error", "request_too_large"))
    assert "req_1" in str(caught.value)


@pytest.mark.parametrize("code", CODES)
def test_gemini_reads_its_shape(code: RefusalCode) -> None:
    """Given a refusal, when the Google SDK reads it, then status, message and details are where it looks."""
    error = genai_errors.APIError(code.status, json.loads(answer(Family.GEMINI, code).content))
    assert (error.code, error.message) == (code.status, "why not")
    assert error.status is not None
    assert error.status.isupper()
    detail = error.details["error"]["details"][0]
    assert (detail["reason"], detail["metadata"]) == (code.code, {"request_id": "req_1"})


@pytest.mark.parametrize("code", CODES)
def test_bedrock_has_message_type_code_and_id(code: RefusalCode) -> None:
    """Given a refusal, when written for AWS SDKs, then it has what they read, and what is ours."""
    body = json.loads(answer(Family.BEDROCK, code).content)
    assert body == {"message": "why not", "__type": bedrock_type(code.status), "code": code.code, "request_id": "req_1"}
    assert body["__type"].endswith("Exception")
