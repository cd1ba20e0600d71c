"""Cost cases: what a provider returned, the rates that apply, and what it must cost to the last digit."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from tollhouse.kernel.money import format_usd, usd_to_nano
from tollhouse.metering.model import RequestFacts, Shape, Usage, UsageSource
from tollhouse.metering.tally import split_usage, usage_of
from tollhouse.pricing.model import Charge, Price
from tollhouse.pricing.rules import charge
from tollhouse.wire.call import Dialect, Reported

OTHER_SHAPES = {
    "openai_images": Shape.IMAGES,
    "openai_transcriptions": Shape.TRANSCRIPTION,
    "openai_realtime": Shape.REALTIME,
    "bedrock_converse": Shape.CONVERSE,
}


def price_of(prices: dict) -> Price:
    """A row of the case's rates, its multiplier on the units alone."""
    factor = Decimal(prices.get("multiplier", "1"))
    return Price(
        id="case",
        provider="case",
        model="case",
        rates={unit: usd_to_nano(Decimal(rate) * factor) for unit, rate in prices["per_million"].items()},
        fees={fee: usd_to_nano(rate) for fee, rate in prices.get("each", {}).items()},
        source="case",
        retrieved="2026-11-21",
    )


def reported_of(case: dict) -> Reported:
    """What a decoder gathers from the case's answer."""
    reported = Reported(finished=True)
    for answer in case.get("events") or [case["response"]]:
        message = answer.get("message") or answer
        usage = message.get("usage") or message.get("usageMetadata")
        if usage is not None:
            if answer.get("type") == "message_start":
                reported.usage_first = usage
            reported.usage = usage
        for item in message.get("output", []):
            reported.server_tools[item["type"]] = reported.server_tools.get(item["type"], 0) + 1
    if "delivered_output_tokens" in case:
        reported.finished = False
        reported.output_bytes = 4 * case["delivered_output_tokens"]
    return reported


def cost_of(case: dict) -> tuple[dict[str, int], dict[str, int], Charge]:
    """Units, fees and charge of a case."""
    reported = reported_of(case)
    dialect = case["dialect"]
    if dialect in OTHER_SHAPES:
        split = split_usage(OTHER_SHAPES[dialect], reported.usage or {}, reported.server_tools)
        usage = Usage(source=UsageSource.REPORTED, units=split.units, fees=split.fees, input_tokens=split.input_tokens)
    else:
        facts = RequestFacts(body_bytes=case.get("body_bytes", 0))
        usage = usage_of(Dialect(dialect), reported, complete=reported.finished, request=facts)
    return dict(usage.units), dict(usage.fees), charge(usage, price_of(case["prices"]), book_version="case")


def case_of(name: str, dialect: str, usage: dict | list, rates: str, expected: str, **more: object) -> dict:
    """A case in the format of the case files from terse lines: `unit rate, …` and `unit count, … = cost`."""
    pairs = [pair.split() for pair in rates.split(", ")]
    counts, _, cost = expected.partition(" = ")
    units = [pair.split() for pair in counts.split(", ")]
    key = "usageMetadata" if dialect == "gemini_generate" else "usage"
    case = {
        "id": name,
        "dialect": dialect,
        "prices": {
            "per_million": {unit: rate for unit, rate in pairs if not unit.startswith("each:")},
            "each": {unit[5:]: rate for unit, rate in pairs if unit.startswith("each:")},
            "multiplier": more.pop("multiplier", "1"),
        },
        "expected": {
            "units": {unit: int(count) for unit, count in units if not unit.startswith("each:")},
            "fees": {unit[5:]: int(count) for unit, count in units if unit.startswith("each:")},
            "cost_usd": cost,
        },
    }
    if isinstance(usage, list):
        kinds = ["message_start", *["message_delta"] * (len(usage) - 1)]
        case["events"] = [
            {"type": kind, "message": {"usage": part}} if kind == "message_start" else {"type": kind, key: part}
            for kind, part in zip(kinds, usage, strict=True)
        ]
    else:
        case["response"] = {key: usage, **({"output": more.pop("output")} if "output" in more else {})}
    return {**case, **more}


CLAUDE = "input 3, write_5m 3.75, write_1h 6, read 0.3, output 15"
GPT = "input 5, write 6.25, read 0.5, output 30"
GEMINI = "input 0.3, read 0.03, audio_in 1, image_out 30, output 2.5"

OWN = [
    case_of(
        "writes beside input",
        "anthropic_messages",
        {"input_tokens": 7, "cache_creation_input_tokens": 900, "output_tokens": 10},
        CLAUDE,
        "input 7, write_5m 900, output 10 = 0.003546",
    ),
    case_of(
        "write rates derived",
        "anthropic_messages",
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 1,
        },
        "input 4, output 20",
        "input 1, write_5m 10, write_1h 20, output 1 = 0.000234",
    ),
    case_of(
        "stale breakdown keeps the remainder",
        "anthropic_messages",
        [
            {
                "input_tokens": 5,
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
                "output_tokens": 1,
            },
            {"input_tokens": 6, "cache_creation_input_tokens": 250, "output_tokens": 20},
        ],
        CLAUDE,
        "input 6, write_5m 150, write_1h 100, output 20 = 0.0014805",
    ),
    case_of(
        "input only in the delta",
        "anthropic_messages",
        [{"output_tokens": 0}, {"input_tokens": 50, "cache_read_input_tokens": 20, "output_tokens": 9}],
        CLAUDE,
        "input 50, read 20, output 9 = 0.000291",
    ),
    case_of(
        "cumulative deltas replace",
        "anthropic_messages",
        [{"input_tokens": 10, "output_tokens": 3}, {"output_tokens": 7}, {"output_tokens": 30}],
        CLAUDE,
        "input 10, output 30 = 0.00048",
    ),
    case_of(
        "cut stream",
        "anthropic_messages",
        [{"input_tokens": 100, "output_tokens": 1}],
        CLAUDE,
        "input 100, output 80 = 0.0015",
        delivered_output_tokens=80,
    ),
    case_of(
        "geography touches tokens, not fees",
        "anthropic_messages",
        {"input_tokens": 100, "output_tokens": 10, "server_tool_use": {"web_search_requests": 2}},
        CLAUDE + ", each:web_search 0.01",
        "input 100, output 10, each:web_search 2 = 0.020495",
        multiplier="1.1",
    ),
    case_of(
        "compaction beside the totals",
        "anthropic_messages",
        {
            "input_tokens": 10,
            "output_tokens": 2,
            "iterations": [
                {"type": "compaction", "input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 1000},
                {"type": "message", "input_tokens": 10, "output_tokens": 2},
            ],
        },
        CLAUDE,
        "input 110, read 1000, output 52 = 0.00141",
    ),
    case_of(
        "reasoning inside",
        "openai_chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 90,
            "total_tokens": 100,
            "completion_tokens_details": {"reasoning_tokens": 80},
        },
        GPT,
        "input 10, output 90 = 0.00275",
    ),
    case_of(
        "reasoning outside",
        "openai_chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 90,
            "total_tokens": 180,
            "completion_tokens_details": {"reasoning_tokens": 80},
        },
        GPT,
        "input 10, output 170 = 0.00515",
    ),
    case_of(
        "cached outside the prompt",
        "openai_chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "prompt_tokens_details": {"cached_tokens": 100},
        },
        GPT,
        "input 10, read 100, output 5 = 0.00025",
    ),
    case_of(
        "translated Anthropic writes count once",
        "openai_chat",
        {
            "prompt_tokens": 1010,
            "completion_tokens": 5,
            "total_tokens": 1015,
            "cache_creation_input_tokens": 900,
            "cache_read_input_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 900},
        },
        CLAUDE,
        "input 10, read 100, write_5m 900, output 5 = 0.00351",
    ),
    case_of(
        "audio apart",
        "openai_chat",
        {
            "prompt_tokens": 64,
            "completion_tokens": 30,
            "total_tokens": 94,
            "prompt_tokens_details": {"audio_tokens": 44},
            "completion_tokens_details": {"audio_tokens": 20},
        },
        "input 2.5, audio_in 40, output 10, audio_out 80",
        "input 20, audio_in 44, output 10, audio_out 20 = 0.00351",
    ),
    case_of(
        "responses with searches",
        "openai_responses",
        {"input_tokens": 1000, "output_tokens": 100, "input_tokens_details": {"cached_tokens": 400}},
        GPT + ", each:web_search 0.01",
        "input 600, read 400, output 100, each:web_search 2 = 0.0262",
        output=[{"type": "web_search_call"}, {"type": "web_search_call"}, {"type": "message"}],
    ),
    case_of(
        "thoughts beside candidates, tools beside the prompt",
        "gemini_generate",
        {
            "promptTokenCount": 32,
            "candidatesTokenCount": 41,
            "thoughtsTokenCount": 47,
            "toolUsePromptTokenCount": 2395,
            "totalTokenCount": 2515,
        },
        GEMINI,
        "input 2427, output 88 = 0.0009481",
    ),
    case_of(
        "audio prompt, partly cached",
        "gemini_generate",
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 300,
            "candidatesTokenCount": 10,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 400},
                {"modality": "AUDIO", "tokenCount": 600},
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 200}, {"modality": "TEXT", "tokenCount": 100}],
        },
        GEMINI,
        "input 300, audio_in 400, read 100, audio_read 200, output 10 = 0.000524",
    ),
    case_of(
        "Converse inclusive by identity",
        "bedrock_converse",
        {"inputTokens": 1000, "cacheReadInputTokens": 900, "outputTokens": 10, "totalTokens": 1010},
        CLAUDE,
        "input 100, read 900, output 10 = 0.00072",
    ),
    case_of(
        "realtime by modality",
        "openai_realtime",
        {
            "input_tokens": 250,
            "output_tokens": 60,
            "total_tokens": 310,
            "input_token_details": {
                "text_tokens": 100,
                "audio_tokens": 150,
                "cached_tokens": 90,
                "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 50},
            },
            "output_token_details": {"text_tokens": 20, "audio_tokens": 40},
        },
        "text_in 4, audio_in 32, read 0.4, text_out 16, audio_out 64",
        "text_in 60, audio_in 100, read 40, audio_read 50, text_out 20, audio_out 40 = 0.006356",
    ),
    case_of(
        "transcription: tokens before seconds",
        "openai_transcriptions",
        {
            "type": "tokens",
            "input_tokens": 37,
            "output_tokens": 12,
            "total_tokens": 49,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 37},
        },
        "input 2.5, audio_in 6, output 10",
        "audio_in 37, text_out 12 = 0.000342",
    ),
]


def given_cases() -> list[dict]:
    """Cases of a file named by the environment, where there is one."""
    path = os.environ.get("TOLLHOUSE_CASES")
    return json.loads(Path(path).read_text()) if path else []


@pytest.mark.parametrize("case", [*OWN, *given_cases()], ids=lambda case: case["id"])
def test_units_fees_and_cost_are_exact(case: dict) -> None:
    """Every case comes out with its units, its fees, and its cost to the last digit."""
    units, fees, charged = cost_of(case)
    assert units == case["expected"]["units"]
    assert fees == case["expected"]["fees"]
    assert charged.cost_nano_usd is not None
    assert format_usd(charged.cost_nano_usd) == format(Decimal(case["expected"]["cost_usd"]).normalize(), "f")


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["id"])
def test_cases_are_independent_of_key_order(case: dict) -> None:
    """A usage object means the same whatever the order of its keys."""

    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return value

    key = "response" if "response" in case else "events"
    answer = turned(case[key]) if key == "response" else [turned(event) for event in case[key]]
    assert cost_of({**case, key: answer})[2].cost_nano_usd == cost_of(case)[2].cost_nano_usd
