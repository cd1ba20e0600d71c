"""Usage of endpoints whose tokens are priced by modality: images, transcriptions, realtime.

Rules: text is a unit of its own here, and so is the cached part of each modality. Image endpoints that give no details
of their output produce image tokens alone. A transcription is billed in tokens where it reports them, else in seconds,
begun seconds being whole ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from tollhouse.metering.count import COUNT_END, NOTHING, Reader, without_zeros
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag, Split

INPUT_DETAILS = ("input_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("output_tokens_details", "output_token_details")
CACHED_DETAILS = ("cached_tokens_details", "cached_token_details")

KNOWN = frozenset(
    {
        *("input_tokens", "output_tokens", "total_tokens", "type", "seconds", "cost_in_usd_ticks"),
        *INPUT_DETAILS,
        *OUTPUT_DETAILS,
    }
)


def split_images(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes the usage of an image endpoint apart."""
    return _split(usage, items, "image_out")


def split_realtime(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes the usage of one realtime response apart."""
    return _split(usage, items, "text_out")


def split_transcription(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes the usage of a transcription apart; by tokens where there are any."""
    if "input_tokens" in usage:
        return _split(usage, items, "text_out")
    reader = Reader(usage)
    reader.note_unknown(KNOWN)
    fees = fees_of(reader, items)
    seconds = usage.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < COUNT_END:
        fees["audio_second"] = ceil(seconds)
    else:
        reader.flag(Flag.INVALID)
    return Split(units={}, fees=without_zeros(fees), input_tokens=0, output_tokens=0, flags=tuple(reader.flags))


def _split(usage: Mapping[str, object], items: Mapping[str, int], rest_out: str) -> Split:
    reader = Reader(usage)
    reader.note_unknown(KNOWN)
    units: dict[str, int] = {}
    prompt, output = reader.count("input_tokens"), reader.count("output_tokens")
    read = _input(reader, prompt or 0, units)
    details = reader.part(*OUTPUT_DETAILS)
    _spread(reader, _counts(reader, details), output or 0, units, rest_out)
    return Split(
        units=without_zeros(units),
        fees=fees_of(reader, items),
        input_tokens=prompt,
        output_tokens=output,
        read=read,
        reasoning=reader.count("reasoning_tokens", details),
        flags=tuple(reader.flags),
    )


def _input(reader: Reader, prompt: int, units: dict[str, int]) -> int:
    """Books the input side; returns the cached tokens."""
    details = reader.part(*INPUT_DETAILS)
    read = min(reader.count("cached_tokens", details) or 0, prompt)
    nested = next((value for key in CACHED_DETAILS if isinstance(value := details.get(key), Mapping)), NOTHING)
    cached = _counts(reader, nested)
    fresh = {modality: max(count - cached.get(modality, 0), 0) for modality, count in _counts(reader, details).items()}
    left = read
    for modality in ("audio", "image"):
        taken = min(cached.get(modality, 0), left)
        units[f"{modality}_read"] = taken
        left -= taken
    units["read"] = left
    _spread(reader, fresh, prompt - read, units, "text_in", cached_untold=bool(read) and not nested)
    return read


def _counts(reader: Reader, details: Mapping[str, object]) -> dict[str, int]:
    """Audio and image tokens of a details object; text is what remains."""
    return {name: reader.count(f"{name}_tokens", details) or 0 for name in ("audio", "image") if details}


def _spread(
    reader: Reader,
    parts: Mapping[str, int],
    whole: int,
    units: dict[str, int],
    rest: str,
    *,
    cached_untold: bool = False,
) -> None:
    """Books each modality within the whole, and what remains under `rest`, or as text where details were given."""
    side = rest.rpartition("_")[2]
    for modality, count in parts.items():
        if count > whole and not cached_untold:
            reader.flag(Flag.INCONSISTENT)
        units[f"{modality}_{side}"] = min(count, whole)
        whole -= min(count, whole)
    remaining = f"text_{side}" if parts else rest
    units[remaining] = units.get(remaining, 0) + whole
