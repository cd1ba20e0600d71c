"""Gemini-shaped usage (`usageMetadata`), also from Vertex.

Rules: cached content is inside the prompt; thoughts are outside the candidates and tool-use prompts outside the
prompt, unless the identity with `totalTokenCount` says otherwise. A count that is absent is zero, as protocol buffers
leave zeros out. Modalities other than text are units of their own where the answer reports them; the cached part of
each is taken off it, because cached tokens have a rate of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.metering.count import Reader, without_zeros
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag, Split

KNOWN = frozenset(
    {
        *("promptTokenCount", "candidatesTokenCount", "responseTokenCount", "totalTokenCount", "thoughtsTokenCount"),
        *("cachedContentTokenCount", "toolUsePromptTokenCount", "trafficType", "serviceTier"),
        *("promptTokensDetails", "candidatesTokensDetails", "responseTokensDetails", "cacheTokensDetails"),
        *("toolUsePromptTokensDetails", "thoughtsTokensDetails", "billablePromptUsage"),
    }
)

MODALITIES = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}
"""Text is what remains."""


def split_gemini(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes a `usageMetadata` object apart."""
    reader = Reader(usage)
    reader.note_unknown(KNOWN)
    prompt, output, tool, thoughts = _totals(reader)
    read = reader.count("cachedContentTokenCount") or 0
    if read > prompt:
        reader.flag(Flag.INCONSISTENT)
        prompt += read
    cached = _modalities(reader, "cacheTokensDetails")
    audio_read = min(cached.get("audio", 0), read)
    units = {"read": read - audio_read, "audio_read": audio_read}
    prompts = _modalities(reader, "promptTokensDetails")
    for modality, count in _modalities(reader, "toolUsePromptTokensDetails").items():
        prompts[modality] = prompts.get(modality, 0) + count
    fresh = {modality: max(count - cached.get(modality, 0), 0) for modality, count in prompts.items()}
    rest = _spread(reader, fresh, prompt + tool - read, "_in", units)
    units["input"] = rest
    outputs = _modalities(reader, "candidatesTokensDetails") or _modalities(reader, "responseTokensDetails")
    units["output"] = _spread(reader, outputs, output, "_out", units)
    return Split(
        units=without_zeros(units),
        fees=fees_of(reader, items),
        input_tokens=prompt + tool,
        output_tokens=output,
        read=read,
        reasoning=thoughts,
        flags=tuple(reader.flags),
    )


def _totals(reader: Reader) -> tuple[int, int, int, int]:
    """Prompt, all output, tool-use prompt that is not in the prompt, and thoughts."""
    prompt = reader.count("promptTokenCount") or 0
    output = reader.first("candidatesTokenCount", "responseTokenCount") or 0
    tool = reader.count("toolUsePromptTokenCount") or 0
    thoughts = reader.count("thoughtsTokenCount") or 0
    total = reader.count("totalTokenCount")
    if total is None or total == prompt + tool + output + thoughts:
        return prompt, output + thoughts, tool, thoughts
    if total == prompt + tool + output and thoughts <= output:
        return prompt, output, tool, thoughts
    if total == prompt + output + thoughts and tool <= prompt:
        return prompt, output + thoughts, 0, thoughts
    reader.flag(Flag.INCONSISTENT)
    return prompt, output + thoughts, tool, thoughts


def _modalities(reader: Reader, key: str) -> dict[str, int]:
    """Tokens by modality from a list of `{modality, tokenCount}`; text is left out."""
    found: dict[str, int] = {}
    if key in reader.usage:
        for row in reader.rows(key):
            modality = MODALITIES.get(str(row.get("modality")))
            if modality is not None:
                found[modality] = found.get(modality, 0) + (reader.count("tokenCount", row) or 0)
    return found


def _spread(reader: Reader, parts: Mapping[str, int], whole: int, suffix: str, units: dict[str, int]) -> int:
    """Books each modality within the whole; returns what remains as text."""
    for modality, count in parts.items():
        if count > whole and suffix == "_out":
            reader.flag(Flag.INCONSISTENT)
        taken = min(count, whole)
        units[modality + suffix] = taken
        whole -= taken
    return whole
