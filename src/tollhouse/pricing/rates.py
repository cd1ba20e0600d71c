"""Which rate a unit is billed at, where the row has one of its own and where it has not.

Rules: a unit's own rate wins, zero included. Text, images, video and documents cost what their side costs. Cached
modalities cost what cached text costs, and cached text without a rate is ordinary input: no discount was published.
Cache writes are derived from the input rate as Anthropic publishes them: 1.25 times for five minutes, twice for an
hour - but a row with one rate for all writes means all of them. Audio and generated images have no default: their
rates are many times that of text, and a guess would be a confident wrong price. Every rate that is not the unit's own
names its basis.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.kernel.money import round_half_even

FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "input": ("text_in",),
    "output": ("text_out",),
    "text_in": ("input",),
    "text_out": ("output",),
    "image_in": ("input", "text_in"),
    "video_in": ("image_in", "input"),
    "document_in": ("image_in", "input"),
    "read": ("text_read", "input", "text_in"),
    "text_read": ("read", "input", "text_in"),
    "audio_read": ("read", "audio_in"),
    "image_read": ("read", "image_in", "input", "text_in"),
    "write": ("write_5m",),
    "write_5m": ("write",),
    "write_1h": (),
}
"""For each unit, the rates that stand in for its own, first choice first."""

WRITE_FACTORS: Mapping[str, tuple[int, int, str]] = {
    "write": (5, 4, "1.25 x input"),
    "write_5m": (5, 4, "1.25 x input"),
    "write_1h": (2, 1, "2 x input"),
}
"""Numerator, denominator and name of a rate derived from the input rate."""

FEES = frozenset(
    {
        *("web_search", "file_search", "search_query", "x_search", "document_search", "search_source"),
        *("code_execution", "container", "image", "audio_second", "request"),
    }
)
"""Fee items that a row may price."""

INPUT_UNITS = (
    *("input", "text_in", "audio_in", "image_in", "video_in", "document_in"),
    *("read", "text_read", "audio_read", "image_read", "write", "write_5m", "write_1h"),
)
OUTPUT_UNITS = ("output", "text_out", "audio_out", "image_out", "video_out")

_INPUT = frozenset(INPUT_UNITS)
_OUTPUT = frozenset(OUTPUT_UNITS)


def rate_of(rates: Mapping[str, int], unit: str) -> tuple[int, str | None] | None:
    """Nano-USD per million of a unit, and what it was taken from if not its own rate; None where there is none."""
    own = rates.get(unit)
    if own is not None:
        return own, None
    fallbacks = FALLBACKS.get(unit, ()) if unit != "write_1h" or "write_5m" in rates else ("write",)
    for other in fallbacks:
        rate = rates.get(other)
        if rate is not None:
            return rate, other
    factor = WRITE_FACTORS.get(unit)
    base = rates.get("input", rates.get("text_in"))
    if factor is None or base is None:
        return None
    return round_half_even(base * factor[0], factor[1]), factor[2]


def highest_input_rate(rates: Mapping[str, int]) -> int | None:
    """The highest rate at which an input token can be billed; None where there is no rate for one.

    Stand-in rates are rates of the same row, so only the derived ones have to be added to the row's own.
    """
    found = [rate for unit, rate in rates.items() if unit in _INPUT]
    found += [rate[0] for unit in WRITE_FACTORS if unit not in rates and (rate := rate_of(rates, unit)) is not None]
    return max(found, default=None)


def highest_output_rate(rates: Mapping[str, int]) -> int | None:
    """The highest rate at which an output token can be billed; None where there is no rate for one."""
    return max((rate for unit, rate in rates.items() if unit in _OUTPUT), default=None)
