"""Bedrock Converse usage, and the counters that Bedrock adds to streams of other shapes.

Rules: `inputTokens` excludes cached tokens unless the identity with `totalTokens` says that they are inside (streams
of OpenAI models). Writes carry their time to live in `cacheDetails`; what these do not explain is a five-minute write.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.metering.count import Reader, without_zeros
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag, Split

KNOWN = frozenset(
    {
        *("inputTokens", "outputTokens", "totalTokens", "cacheDetails", "serverToolUsage"),
        *("cacheReadInputTokens", "cacheWriteInputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
        *("inputTokenCount", "outputTokenCount", "invocationLatency", "firstByteLatency"),
    }
)


def split_converse(usage: Mapping[str, object], items: Mapping[str, int]) -> Split:
    """Takes a Converse usage object apart."""
    reader = Reader(usage)
    reader.note_unknown(KNOWN)
    fresh, output = reader.first("inputTokens", "inputTokenCount"), reader.first("outputTokens", "outputTokenCount")
    read = reader.first("cacheReadInputTokens", "cacheReadInputTokenCount") or 0
    write = reader.first("cacheWriteInputTokens", "cacheWriteInputTokenCount") or 0
    write_1h = min(_written_for_an_hour(reader), write)
    remaining = _fresh(reader, fresh or 0, output or 0, read + write)
    return Split(
        units=without_zeros(
            {
                "input": remaining,
                "read": read,
                "write_5m": write - write_1h,
                "write_1h": write_1h,
                "output": output or 0,
            }
        ),
        fees=fees_of(reader, items),
        input_tokens=None if fresh is None else remaining + read + write,
        output_tokens=output,
        read=read,
        write=write,
        flags=tuple(reader.flags),
    )


def _fresh(reader: Reader, fresh: int, output: int, cached: int) -> int:
    """Input that was neither read from nor written to the cache."""
    total = reader.count("totalTokens")
    if total is None or not cached or total == fresh + cached + output:
        if total is not None and total != fresh + cached + output:
            reader.flag(Flag.INCONSISTENT)
        return fresh
    if total == fresh + output and cached <= fresh:
        return fresh - cached
    reader.flag(Flag.INCONSISTENT)
    return fresh


def _written_for_an_hour(reader: Reader) -> int:
    rows = reader.rows("cacheDetails")
    return sum(reader.count("inputTokens", row) or 0 for row in rows if row.get("ttl") == "1h")
