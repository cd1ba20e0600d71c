"""Anthropic-shaped usage.

Rules: `input_tokens` excludes what was read from and written to the cache; the three add up to all input. Writes are
split by time to live. In a stream the input side comes from the first usage object and the output from the last; what
the last one repeats wins, and a breakdown that no longer adds up to its total is stale: what it does not explain is
still priced, as a five-minute write. Turns of a compaction are billed beside the totals, so they are added; turns of
an advisor belong to another model and are flagged.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.metering.count import Reader, without_zeros
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag, Split

KNOWN = frozenset(
    {
        *("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        *("cache_creation", "server_tool_use", "service_tier", "speed", "inference_geo", "iterations"),
        *("output_tokens_details", "cache_deleted_input_tokens"),
    }
)

INPUT_SIDE = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def split_anthropic(
    usage: Mapping[str, object], items: Mapping[str, int], first: Mapping[str, object] | None = None
) -> Split:
    """Takes an Anthropic usage object apart; `first` is the one that opened the stream."""
    reader = Reader(_merge(usage, first) if first else usage)
    reader.note_unknown(KNOWN)
    fresh, output = reader.count("input_tokens"), reader.count("output_tokens")
    read = reader.count("cache_read_input_tokens") or 0
    write_5m, write_1h = _writes(reader)
    known = fresh is not None or read + write_5m + write_1h > 0
    units = {
        "input": fresh or 0,
        "read": read,
        "write_5m": write_5m,
        "write_1h": write_1h,
        "output": output or 0,
    }
    if "iterations" in reader.usage:
        _add_compactions(reader, units)
    cached = units["read"] + units["write_5m"] + units["write_1h"]
    return Split(
        units=without_zeros(units),
        fees=fees_of(reader, items),
        input_tokens=units["input"] + cached if known else None,
        output_tokens=None if output is None else units["output"],
        read=units["read"],
        write=units["write_5m"] + units["write_1h"],
        reasoning=_thinking(reader),
        flags=tuple(reader.flags),
    )


def _merge(last: Mapping[str, object], first: Mapping[str, object]) -> Mapping[str, object]:
    """The last object over the first, key by key; nulls say nothing.

    An all-zero input side at the end does not undo one that was reported at the start: no answer is made from
    nothing, and some gateways fill the final delta with zeros.
    """
    told = {key: value for key, value in last.items() if value is not None}
    if not any(told.get(key) for key in INPUT_SIDE) and any(first.get(key) for key in INPUT_SIDE):
        for key in INPUT_SIDE:
            told.pop(key, None)
    return {**first, **told}


def _writes(reader: Reader) -> tuple[int, int]:
    """Tokens written for five minutes and for an hour."""
    total = reader.count("cache_creation_input_tokens")
    detail = reader.part("cache_creation")
    short = (detail and reader.count("ephemeral_5m_input_tokens", detail)) or 0
    long = (detail and reader.count("ephemeral_1h_input_tokens", detail)) or 0
    if total is None:
        return short, long
    long = min(long, total)
    return total - long, long


def _add_compactions(reader: Reader, units: dict[str, int]) -> None:
    """Adds turns that the totals leave out; flags turns that another model served."""
    for row in reader.rows("iterations"):
        if row.get("type") == "compaction":
            turn = Reader(row)
            short, long = _writes(turn)
            units["input"] += turn.count("input_tokens") or 0
            units["read"] += turn.count("cache_read_input_tokens") or 0
            units["write_5m"] += short
            units["write_1h"] += long
            units["output"] += turn.count("output_tokens") or 0
        elif row.get("type") == "advisor_message":
            reader.flag(Flag.OTHER_MODEL)


def _thinking(reader: Reader) -> int | None:
    details = reader.part("output_tokens_details")
    return reader.count("thinking_tokens", details) if details else None
