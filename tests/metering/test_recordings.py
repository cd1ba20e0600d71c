"""Real answers of providers: their usage splits without a flag, but for the odd ones that are named here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tollhouse.metering.model import Flag, RequestFacts, Shape, UsageSource
from tollhouse.metering.tally import NO_USAGE, shape_of, split_usage, usage_of
from tollhouse.wire.call import Dialect, Reported

SHAPES = {
    "openai_images": Shape.IMAGES,
    "openai_transcriptions": Shape.TRANSCRIPTION,
    "bedrock_converse": Shape.CONVERSE,
    "bedrock_invoke": None,
    "other": None,
}

ODD = {
    "gateway-anthropic_messages-extra-usage-key": (Flag.UNKNOWN_FIELD,),
    "anthropic-anthropic_messages-stream-advisor-iterations": (Flag.OTHER_MODEL,),
    "openrouter-openai_chat-stream-error-comments": (Flag.INCONSISTENT,),
}
"""A key of a third party; turns of another model; more reasoning than completion."""

LISTED = {
    "anthropic-cache-write-1h": ("anthropic_messages", {"input": 17, "write_1h": 2056, "output": 100}),
    "bedrock-converse-read": ("bedrock_converse", {"input": 12, "read": 1028, "output": 250}),
    "mistral-audio-outside": ("openai_chat", {"input": 9, "audio_in": 375, "output": 201}),
    "xai-reasoning-outside": ("openai_chat", {"input": 63, "read": 244, "output": 281}),
    "deepseek-hit": ("openai_chat", {"input": 80, "read": 896, "output": 61}),
    "groq-times": ("openai_chat", {"input": 12, "output": 24}),
    "gemini-video": ("gemini_generate", {"input": 16, "video_in": 15780, "audio_in": 1917, "output": 1276}),
}
"""Usage objects as providers sent them, and what they are split into."""

USAGE = {
    "anthropic-cache-write-1h": {
        "input_tokens": 17,
        "cache_creation_input_tokens": 2056,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2056},
        "output_tokens": 100,
        "service_tier": "standard",
        "inference_geo": "not_available",
    },
    "bedrock-converse-read": {
        "cacheReadInputTokenCount": 1028,
        "cacheReadInputTokens": 1028,
        "cacheWriteInputTokenCount": 0,
        "cacheWriteInputTokens": 0,
        "inputTokens": 12,
        "outputTokens": 250,
        "totalTokens": 1290,
    },
    "mistral-audio-outside": {
        "prompt_audio_seconds": 4,
        "prompt_tokens": 9,
        "total_tokens": 585,
        "completion_tokens": 201,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375},
    },
    "xai-reasoning-outside": {
        "prompt_tokens": 307,
        "completion_tokens": 26,
        "total_tokens": 588,
        "prompt_tokens_details": {"text_tokens": 307, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 244},
        "completion_tokens_details": {"reasoning_tokens": 255, "audio_tokens": 0},
        "num_sources_used": 0,
        "cost_in_usd_ticks": 1777000,
    },
    "deepseek-hit": {
        "completion_tokens": 61,
        "completion_tokens_details": {"reasoning_tokens": 25},
        "prompt_cache_hit_tokens": 896,
        "prompt_cache_miss_tokens": 80,
        "prompt_tokens": 976,
        "prompt_tokens_details": {"cached_tokens": 896},
        "total_tokens": 1037,
    },
    "groq-times": {
        "queue_time": 0.09,
        "prompt_tokens": 12,
        "prompt_time": 0.005,
        "completion_tokens": 24,
        "completion_time": 0.029,
        "total_tokens": 36,
        "total_time": 0.034,
    },
    "gemini-video": {
        "candidatesTokenCount": 100,
        "promptTokenCount": 17713,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 16},
            {"modality": "VIDEO", "tokenCount": 15780},
            {"modality": "AUDIO", "tokenCount": 1917},
        ],
        "thoughtsTokenCount": 1176,
        "totalTokenCount": 18989,
    },
}


@pytest.mark.parametrize("name", LISTED)
def test_provider_usage_splits_as_billed(name: str) -> None:
    """Usage objects of seven providers give their billable units, unflagged."""
    dialect, units = LISTED[name]
    shape = shape_of(SHAPES.get(dialect), USAGE[name])
    assert shape is not None
    split = split_usage(shape, USAGE[name], {})
    assert (split.units, split.flags) == (units, ())


def recordings() -> dict[str, dict]:
    """The answers above, and those of a folder named by the environment, where there is one."""
    folder = os.environ.get("TOLLHOUSE_RECORDINGS")
    paths = sorted(Path(folder).glob("*.json")) if folder else []
    listed = {name: {"dialect": LISTED[name][0], "usage": USAGE[name], "status": 200} for name in LISTED}
    refused = {"refused": {"dialect": "openai_chat", "usage": None, "status": 429}}
    return listed | refused | {path.stem: json.loads(path.read_text()) for path in paths}


RECORDED = recordings()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers_split_without_flags(name: str) -> None:
    """Every recorded answer is read; an error without usage is free; only the odd ones are flagged."""
    recorded = RECORDED[name]
    expected = tuple(flag.value for flag in ODD.get(name, ()))
    dialect, usage, first = recorded["dialect"], recorded["usage"], recorded.get("usage_first")
    if dialect in SHAPES:
        shape = shape_of(SHAPES[dialect], usage or {})
        if usage and shape is not None and usage.keys() != {"cost_in_usd_ticks"}:
            split = split_usage(shape, usage, {}, first=first)
            assert (split.flags, bool(split.units or split.fees)) == (expected, True)
        return
    reported = Reported(usage=usage, usage_first=first, finished=True)
    found = usage_of(Dialect(dialect), reported, complete=True, request=RequestFacts(status=recorded["status"]))
    if recorded["status"] >= 400 and usage is None:
        assert found == NO_USAGE
        return
    assert found.flags == expected
    assert found.source is (UsageSource.REPORTED if usage is not None else UsageSource.ESTIMATED)
