"""OpenAI-shaped usage: Chat Completions, embeddings, Responses, and the many compatibles.

Rules: cached and cache-write tokens are inside the prompt, reasoning and audio inside their side - unless the
identity `prompt + completion == total` says that a part was left out (xAI's reasoning, Bedrock's cached input,
Mistral's audio), in which case it is added. What cannot be inside because it is larger than its whole is outside, and
flagged. Where no choice fits the total, the object is read as OpenAI means it and flagged `usage_inconsistent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tollhouse.metering.count import Reader, outside_parts, without_zeros
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag, Split


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The names that one API gives to the same counts."""

    input: str
    output: str
    input_details: tuple[str, ...]
    output_details: tuple[str, ...]


CHAT = Words(
    input="prompt_tokens",
    output="completion_tokens",
    input_details=("prompt_tokens_details", "input_tokens_details"),
    output_details=("completion_tokens_details", "output_tokens_details"),
)
RESPONSES = Words(
    input="input_tokens",
    output="output_tokens",
    input_details=("input_tokens_details", "input_token_details"),
    output_details=("output_tokens_details", "output_token_details"),
)

KNOWN = frozenset(
    {
        *("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "type"),
        *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details"),
        *("input_token_details", "output_token_details", "service_tier", "latency_checkpoint", "context_details"),
        *("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cached_tokens", "reasoning_tokens"),
        *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "cache_write_tokens"),
        *("tool_use_prompt_tokens", "server_tool_use", "server_tool_use_details", "server_side_tool_usage_details"),
        *("num_sources_used", "num_server_side_tools_used", "num_search_queries", "citation_tokens"),
        *("cost", "is_byok", "cost_details", "cost_in_usd_ticks", "search_context_size", "prompt_audio_seconds"),
        *("queue_time", "prompt_time", "completion_time", "total_time", "speed"),
    }
)


class Sides(msgspec.Struct, kw_only=True):
    """Counts while they are made inclusive: `prompt` and `completion` hold all of their parts in the end."""

    prompt: int
    completion: int
    read: int
    write: int
    write_5m: int
    write_1h: int
    audio_in: int
    image_in: int
    reasoning: int
    audio_out: int
    image_out: int
    tool: int

    def cached(self) -> int:
        return self.read + self.write + self.write_5m + self.write_1h


def split_chat(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes `prompt_tokens` usage apart."""
    return _split(usage, items, CHAT)


def split_plain_chat(usage: Mapping[str, Any]) -> Split | None:
    """The same for an object known to hold OpenAI's own names and counts alone; None where it needs more thought.

    Agrees with `split_chat` on all that it does not leave to it.
    """
    prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens")
    if completion is None or usage["total_tokens"] != prompt + completion:
        return None
    read = write = 0
    reasoning = None
    inner, outer = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    if inner:
        read, write = inner.get("cached_tokens", 0), inner.get("cache_write_tokens", 0)
        if read + write > prompt or inner.get("audio_tokens") or inner.get("image_tokens"):
            return None
    if outer:
        reasoning = outer.get("reasoning_tokens")
        if (reasoning and reasoning > completion) or outer.get("audio_tokens") or outer.get("image_tokens"):
            return None
    units = {"input": prompt, "output": completion}
    if read or write or not prompt or not completion:
        parts = {"input": prompt - read - write, "read": read, "write": write, "output": completion}
        units = {unit: quantity for unit, quantity in parts.items() if quantity}
    return Split(
        units=units,
        fees={},
        input_tokens=prompt,
        output_tokens=completion,
        read=read,
        write=write,
        reasoning=reasoning,
    )


def split_responses(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes inclusive `input_tokens` usage apart."""
    return _split(usage, items, RESPONSES)


def _split(usage: Mapping[str, object], items: Mapping[str, int], words: Words) -> Split:
    reader = Reader(usage)
    reader.note_unknown(KNOWN)
    prompt, completion = _totals(reader, words)
    sides = _read(reader, words, prompt or 0, completion or 0)
    reasoning_known = "reasoning_tokens" in reader.part(*words.output_details) or "reasoning_tokens" in usage
    _settle(reader, sides)
    return Split(
        units=_units(sides),
        fees=fees_of(reader, items),
        input_tokens=None if prompt is None else sides.prompt,
        output_tokens=None if completion is None else sides.completion,
        read=sides.read,
        write=sides.write + sides.write_5m + sides.write_1h,
        reasoning=sides.reasoning if reasoning_known else None,
        flags=tuple(reader.flags),
    )


def _totals(reader: Reader, words: Words) -> tuple[int | None, int | None]:
    """Input and output as named, or as far as the total and DeepSeek's hits and misses tell them."""
    prompt, completion = reader.count(words.input), reader.count(words.output)
    if prompt is None:
        hit, miss = reader.count("prompt_cache_hit_tokens"), reader.count("prompt_cache_miss_tokens")
        if hit is not None and miss is not None:
            prompt = hit + miss
    total = reader.count("total_tokens")
    if total is not None:
        if prompt is None and completion is not None and total >= completion:
            prompt = total - completion
        elif completion is None and prompt is not None and total >= prompt:
            completion = total - prompt
    return prompt, completion


def _read(reader: Reader, words: Words, prompt: int, completion: int) -> Sides:
    inner = reader.part(*words.input_details)
    outer = reader.part(*words.output_details)
    read = inner and reader.count("cached_tokens", inner)
    write = inner and (reader.count("cache_write_tokens", inner) or reader.count("cache_creation_tokens", inner))
    sides = Sides(
        prompt=prompt,
        completion=completion,
        read=read or reader.first("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens") or 0,
        write=write or reader.count("cache_write_tokens") or 0,
        write_5m=0,
        write_1h=0,
        audio_in=(inner and reader.count("audio_tokens", inner)) or 0,
        image_in=(inner and reader.count("image_tokens", inner)) or 0,
        reasoning=(outer and reader.count("reasoning_tokens", outer)) or reader.count("reasoning_tokens") or 0,
        audio_out=(outer and reader.count("audio_tokens", outer)) or 0,
        image_out=(outer and reader.count("image_tokens", outer)) or 0,
        tool=reader.count("tool_use_prompt_tokens") or 0,
    )
    if "cache_creation_input_tokens" in reader.usage:
        _read_anthropic_writes(reader, sides)
    return sides


def _read_anthropic_writes(reader: Reader, sides: Sides) -> None:
    """Anthropic's writes inside an OpenAI-shaped translation; the same tokens under two names count once."""
    total = reader.count("cache_creation_input_tokens") or 0
    long = min(reader.count("ephemeral_1h_input_tokens", reader.part("cache_creation")) or 0, total)
    sides.write_1h, sides.write_5m = long, total - long
    sides.write = max(sides.write - total, 0)


def _settle(reader: Reader, sides: Sides) -> None:
    """Makes both sides inclusive, by the identity where there is a total, else by what can be inside at all."""
    total = reader.count("total_tokens")
    cached = sides.cached()
    if total is not None and total != sides.prompt + sides.completion:
        parts = {"reasoning": sides.reasoning, "cached": cached, "audio": sides.audio_in, "tool": sides.tool}
        outside = outside_parts(total - sides.prompt - sides.completion, parts)
        if outside is None:
            reader.flag(Flag.INCONSISTENT)
        else:
            sides.completion += sides.reasoning if "reasoning" in outside else 0
            sides.prompt += sum(parts[name] for name in outside if name != "reasoning")
    elif total is None and sides.reasoning > sides.completion:
        reader.flag(Flag.INCONSISTENT)
        sides.completion += sides.reasoning
    if cached > sides.prompt:
        reader.flag(Flag.INCONSISTENT)
        sides.prompt += cached
    if sides.reasoning > sides.completion:
        reader.flag(Flag.INCONSISTENT)
        sides.reasoning = sides.completion
    _fit_modalities(reader, sides)


def _fit_modalities(reader: Reader, sides: Sides) -> None:
    """Keeps modalities inside their side. Cached tokens are taken as text first, then as images, then as audio."""
    if sides.audio_in + sides.image_in > sides.prompt or sides.audio_out + sides.image_out > sides.completion:
        reader.flag(Flag.INCONSISTENT)
    uncached = sides.prompt - sides.cached()
    sides.audio_in = min(sides.audio_in, uncached)
    sides.image_in = min(sides.image_in, uncached - sides.audio_in)
    sides.audio_out = min(sides.audio_out, sides.completion)
    sides.image_out = min(sides.image_out, sides.completion - sides.audio_out)


def _units(sides: Sides) -> dict[str, int]:
    return without_zeros(
        {
            "input": sides.prompt - sides.cached() - sides.audio_in - sides.image_in,
            "audio_in": sides.audio_in,
            "image_in": sides.image_in,
            "read": sides.read,
            "write": sides.write,
            "write_5m": sides.write_5m,
            "write_1h": sides.write_1h,
            "output": sides.completion - sides.audio_out - sides.image_out,
            "audio_out": sides.audio_out,
            "image_out": sides.image_out,
        }
    )
