"""Model lists through the official SDKs, and the raw path."""

from __future__ import annotations

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from tollhouse.simulator.app import SimulatorApp


def test_openai_models(url: str) -> None:
    """The list and a model of it parse; an unknown model is a 404."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve(names[0]).id == names[0]
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("no-such-model")


def test_anthropic_models(url: str) -> None:
    """With `anthropic-version` the same path is Anthropic's."""
    with anthropic.Anthropic(base_url=url, api_key="sk-test", max_retries=0) as client:
        names = [model.id for model in client.models.list()]
        assert names and all(name.startswith("claude-") for name in names)
        assert client.models.retrieve(names[0]).id == names[0]
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve("no-such-model")


def test_gemini_models(url: str) -> None:
    """The list and a model of it parse."""
    client = genai.Client(api_key="key-test", http_options=types.HttpOptions(base_url=url))
    names = [model.name for model in client.models.list()]
    assert "models/gemini-2.5-flash" in names
    assert client.models.get(model="gemini-2.5-flash").input_token_limit == 1_048_576


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_the_raw_path_answers_every_method(url: str, app: SimulatorApp, method: str) -> None:
    """It echoes method, path and body, and bills nothing."""
    answer = httpx2.request(
        method, f"{url}/raw/v1/messages", content=b"\x00toll", headers={"Authorization": "Bearer k"}
    )
    assert answer.json() == {"method": method, "path": "/raw/v1/messages", "body_base64": "AHRvbGw="}
    assert app.bills.billed(None)["bills"] == []
