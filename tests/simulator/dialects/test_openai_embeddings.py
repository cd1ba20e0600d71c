"""OpenAI Embeddings, through the official SDK."""

from __future__ import annotations

import math
from collections.abc import Iterator

import openai
import pytest

from tollhouse.simulator.app import SimulatorApp


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


def test_floats_and_base64_are_the_same_vectors(client: openai.OpenAI, app: SimulatorApp) -> None:
    """Both encodings give the same unit vectors, one for each text, and only input is billed."""
    texts = ["a cart", "another cart"]
    plain = client.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    packed = client.embeddings.create(model="text-embedding-3-small", input=texts)
    for one, other in zip(plain.data, packed.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-7)
        assert math.fsum(value * value for value in one.embedding) == pytest.approx(1, abs=1e-5)
    assert plain.data[0].embedding != plain.data[1].embedding
    assert (plain.usage.prompt_tokens, plain.usage.total_tokens) == (5, 5)
    assert [(bill.input_tokens, bill.output_tokens) for bill in app.bills.billed(None)["bills"]] == [(5, 0)] * 2


def test_dimensions_and_token_lists(client: openai.OpenAI) -> None:
    """`dimensions` is obeyed, and a list of numbers is one text of that many tokens."""
    answer = client.embeddings.create(model="text-embedding-3-large", input=[1, 2, 3], dimensions=16)
    assert len(answer.data) == 1
    assert len(answer.data[0].embedding) == 16
    assert answer.usage.prompt_tokens == 3


@pytest.mark.parametrize("body", [{"input": "x"}, {"model": "m", "input": []}, {"model": "m", "input": 3}])
def test_bad_requests_are_refused(client: openai.OpenAI, body: dict[str, object]) -> None:
    """A missing model, no texts, or texts of the wrong kind get a 400."""
    with pytest.raises(openai.BadRequestError):
        client.post("/embeddings", body=body, cast_to=object)
