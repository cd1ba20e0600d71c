"""Answers of real providers, and generated ones, played through a whole Tollhouse: the same bytes, the same usage."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import raw_http
from generated_recordings import GENERATED
from ledger_rows import LedgerRows, Row
from raw_http import Received
from stack import Stack

DIALECTS = frozenset(
    ("openai_chat", "openai_responses", "openai_embeddings", "anthropic_messages", "gemini_generate"),
)
NOT_IN_THE_BOOK = frozenset(("gemini-3-pro-preview",))
UNPREFIXED = {"openai": "openai", "anthropic": "anthropic", "google": "gemini"}
"""Recorded providers that are asked under the paths of their own API; others under /providers/{name}/."""


class Written(msgspec.Struct):
    """A recording's JSON body as it is written, escapes and all."""

    body: msgspec.Raw = msgspec.Raw(b"null")


WRITTEN = msgspec.json.Decoder(Written)


def recorded() -> dict[str, dict[str, Any]]:
    """Generated and recorded answers by their name."""
    texts = {name: json.dumps(recording).encode() for name, recording in GENERATED.items()}
    folder = os.environ.get("TOLLHOUSE_RECORDINGS")
    for path in sorted(Path(folder).glob("*.json")) if folder else ():
        texts[path.stem] = path.read_bytes()
    found = {name: json.loads(text) | {"text": WRITTEN.decode(text).body} for name, text in texts.items()}
    return {name: recording for name, recording in found.items() if recording["dialect"] in DIALECTS}


RECORDED = recorded()


class Played(msgspec.Struct, frozen=True):
    """One recording, what the client received of it, and its row."""

    recording: dict[str, Any]
    received: Received
    row: Row


@pytest.fixture(scope="module")
def all_played(stack: Stack, ledger: LedgerRows) -> dict[str, Played]:
    """Every recording, asked for once through the gateway."""
    received = {name: ask(stack, name, recording) for name, recording in RECORDED.items()}
    request_ids = {name: answer.one("x-tollhouse-request-id") for name, answer in received.items()}
    rows = ledger.of_all(request_ids.values())
    return {name: Played(RECORDED[name], received[name], rows[request_ids[name]]) for name in RECORDED}


@pytest.fixture(params=sorted(RECORDED))
def played(request: pytest.FixtureRequest, all_played: dict[str, Played]) -> Played:
    """Each of them."""
    return all_played[request.param]


def ask(stack: Stack, name: str, recording: dict[str, Any]) -> Received:
    """The recorded request, sent through the gateway to the provider that plays the recording."""
    asked = recording["request"]
    prefix = "" if recording["provider"] in UNPREFIXED else f"/providers/{recording['provider']}"
    body = asked["body"] or {"model": "m", "messages": [], "input": "", "stream": recording["stream"]}
    fields = [
        ("content-type", "application/json"),
        ("authorization", f"Bearer {stack.own_key}"),
        ("x-simulate", f"recording={name}"),
    ]
    return raw_http.send(stack.gateway_url, prefix + asked["path"], fields, json.dumps(body).encode())


def text_of(recording: dict[str, Any]) -> bytes:
    """The bytes that the client must receive: a recorded JSON object is played without blanks."""
    for name in ("received", "raw", "sse"):
        if name in recording:
            return str(recording[name]).encode()
    return msgspec.json.format(bytes(recording["text"]), indent=-1)


def numbers(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Numeric leaves with their places."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, (*place, str(index)))
    elif isinstance(value, (int, float)):
        yield place, value


def usage_of(recording: dict[str, Any]) -> dict[str, Any]:
    """The usage that counts: Anthropic's last delta lies over the first message's."""
    first = recording.get("usage_first") if recording["dialect"] == "anthropic_messages" else None
    return {**(first or {}), **(recording["usage"] or {})}


def tokens_of(dialect: str, usage: dict[str, Any]) -> tuple[int, int]:
    """All input and all output that a usage object reports, as its provider's documentation says to add them up."""
    match dialect:
        case "anthropic_messages":
            turns = [turn for turn in usage.get("iterations", [usage]) if turn.get("type") != "advisor_message"]
            names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
            return sum(turn.get(name, 0) for turn in turns for name in names), sum(
                turn["output_tokens"] for turn in turns
            )
        case "openai_responses":
            return usage["input_tokens"], usage["output_tokens"]
        case "gemini_generate":
            into = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
            return into, usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        case _:
            return _chat_tokens(usage)


def _chat_tokens(usage: dict[str, Any]) -> tuple[int, int]:
    """Some count reasoning, and some audio, beside what they are a part of at OpenAI: the total tells."""
    into, out, total = usage["prompt_tokens"], usage.get("completion_tokens", 0), usage["total_tokens"]
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    audio = (usage.get("prompt_tokens_details") or {}).get("audio_tokens", 0)
    readings = [(into, out), (into, out + reasoning), (into + audio, out)]
    return next(reading for reading in readings if sum(reading) == total)


def test_the_client_receives_the_recorded_bytes(played: Played) -> None:
    """Status, content type and every byte of the body are those of the recording."""
    recording, received = played.recording, played.received
    assert received.body == text_of(recording)
    assert (received.status, received.one("content-type")) == (recording["status"], recording["content_type"])


def test_the_ledger_has_the_recorded_usage(played: Played) -> None:
    """The row keeps the numbers of the provider's usage object, all of them and no others."""
    row = played.row
    raw = dict(row["raw_usage"] or {})
    raw.pop("first", None)
    assert dict(numbers(raw)) == dict(numbers(usage_of(played.recording)))
    assert row["dialect"] == played.recording["dialect"]
    assert row["streaming"] == played.recording["stream"]
    assert (row["credential_mode"], row["status"]) == ("vault", played.recording["status"])
    assert row["provider"] == UNPREFIXED.get(played.recording["provider"], played.recording["provider"])


def test_the_tokens_are_what_the_usage_says(played: Played) -> None:
    """The row's tokens follow from the recorded usage; without any, they are estimated, or nothing was billed."""
    usage, row = usage_of(played.recording), played.row
    if usage:
        assert (row["input_tokens"], row["output_tokens"]) == tokens_of(row["dialect"], usage)
        assert row["usage_source"] == "reported"
    elif played.recording["status"] >= 400:
        assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("none", None, None)
    else:
        assert row["usage_source"] in ("estimated", "partial", "none")


def test_the_cost_is_the_sum_of_its_lines(played: Played) -> None:
    """A priced row has a line for each unit; an unknown price is no cost, and an error status costs nothing."""
    row = played.row
    if row["price_status"] == "priced":
        assert row["cost_nano_usd"] == sum(line["cost_nano_usd"] for line in row["charge_lines"])
        assert {line["unit"]: line["quantity"] for line in row["charge_lines"] if not line["fee"]} == row["units"]
    else:
        assert row["cost_nano_usd"] == {"unpriced": None, "free": 0}[row["price_status"]]
    if played.recording["status"] >= 400:
        assert (row["cost_nano_usd"], row["outcome"], row["attempts"]) == (0, "provider_error", 1)


def test_an_answer_of_the_books_models_is_priced(played: Played) -> None:
    """The big three's answers have a cost, but for what is not in the book or was billed at another model's rates."""
    row = played.row
    if row["provider"] not in UNPREFIXED.values() or row["model"] in NOT_IN_THE_BOOK:
        return
    if "usage_other_model" not in row["flags"]:
        assert row["cost_nano_usd"] is not None
