"""Control: what a request asks of the simulator beyond its answer - amounts, timing, faults.

Pure. Controls are read from the header `X-Simulate: key=value; key=value`, or, for a client that cannot set headers,
from the body (see `tollhouse.simulator`). An unknown key or an unusable value is refused: a test that misspells a
fault must not pass for want of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

TOKENS_MAX = 1_000_000_000
CHUNKS_MAX = 100_000
BYTES_MAX = 64 * 1024 * 1024
PAUSE_MS_MAX = 600_000
PIECES_BYTES_MAX = 256 * 1024 * 1024
"""Bound of `chunks` times `chunk_bytes`."""


class ControlError(ValueError):
    """A control cannot be understood; the message names it."""


class Fault(StrEnum):
    """A way in which an answer goes wrong. Those with a number are written `name:NUMBER`."""

    STATUS = "status"
    RESET_BEFORE = "reset_before"
    RESET_HEAD = "reset_head"
    RESET_MID = "reset_mid"
    EOF_MID = "eof_mid"
    STALL_BEFORE = "stall_before"
    STALL_MID = "stall_mid"
    DRIP = "drip"
    GARBAGE = "garbage"
    GARBAGE_MID = "garbage_mid"
    HUGE_LINE = "huge_line"
    MISSING_USAGE = "missing_usage"
    STREAM_ERROR = "stream_error"
    GZIP = "gzip"
    USAGE_TWICE = "usage_twice"
    WRONG_LENGTH = "wrong_length"


_NUMBERS: dict[Fault, tuple[int, int, int]] = {
    Fault.STATUS: (500, 300, 599),
    Fault.RESET_MID: (1, 0, CHUNKS_MAX),
    Fault.EOF_MID: (1, 0, CHUNKS_MAX),
    Fault.STALL_MID: (1, 0, CHUNKS_MAX),
    Fault.GARBAGE_MID: (1, 0, CHUNKS_MAX),
    Fault.STREAM_ERROR: (1, 1, CHUNKS_MAX),
    Fault.HUGE_LINE: (5_000_000, 1, BYTES_MAX),
}
"""Default, smallest and largest number of the faults that have one."""


class Controls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that can be asked. Token amounts follow OpenTelemetry: `input_tokens` is all input, cached parts included."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    """Of each choice, reasoning included; cut at the request's own limit unless `over_limit`."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    chunks: int | None = None
    """Content deltas of each choice."""
    chunk_bytes: int | None = None
    """Exact length of each content delta's text, or of each piece of a recorded stream."""
    pace_ms: float = 0.0
    """Pause between two events."""
    latency_ms: float = 0.0
    """Pause before the head."""
    tier: str | None = None
    tool: bool = False
    """Call the first tool even if the request leaves the choice."""
    refusal: bool = False
    over_limit: bool = False
    text: str | None = None
    """The answer's text, instead of made-up words."""
    retry_after: str | None = None
    recording: str | None = None
    """File stem of the recording to play."""
    faults: Mapping[Fault, int] = {}


NO_CONTROLS = Controls()

_RANGES: dict[str, tuple[int, int]] = {
    "input_tokens": (0, TOKENS_MAX),
    "output_tokens": (0, TOKENS_MAX),
    "cached_tokens": (0, TOKENS_MAX),
    "cache_write_tokens": (0, TOKENS_MAX),
    "cache_write_1h_tokens": (0, TOKENS_MAX),
    "reasoning_tokens": (0, TOKENS_MAX),
    "chunks": (1, CHUNKS_MAX),
    "chunk_bytes": (1, BYTES_MAX),
    "pace_ms": (0, PAUSE_MS_MAX),
    "latency_ms": (0, PAUSE_MS_MAX),
}


def parse_controls(text: str) -> Controls:
    """Controls from `key=value; key=value`; `fault` may occur several times. ControlError says what is wrong."""
    values: dict[str, object] = {}
    faults: dict[str, int] = {}
    for part in text.split(";"):
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not key:
            continue
        if key == "fault":
            fault, number = _fault(value)
            faults[fault] = number
        elif key == "faults" or not separator:
            raise ControlError(f"X-Simulate: expected key=value, found {part.strip()!r}")
        else:
            values[key] = value
    values["faults"] = faults
    try:
        controls = msgspec.convert(values, Controls, strict=False)
    except msgspec.ValidationError as error:
        raise ControlError(f"X-Simulate: {error}") from error
    _check_ranges(controls)
    return controls


def _fault(value: str) -> tuple[Fault, int]:
    name, separator, digits = value.partition(":")
    try:
        fault = Fault(name.strip())
    except ValueError as error:
        raise ControlError(f"X-Simulate: unknown fault {name!r}; known are {', '.join(Fault)}") from error
    if fault not in _NUMBERS:
        if separator:
            raise ControlError(f"X-Simulate: fault {fault} takes no number")
        return fault, 0
    default, smallest, largest = _NUMBERS[fault]
    if not separator:
        return fault, default
    if not digits.strip().isdecimal() or not smallest <= int(digits) <= largest:
        raise ControlError(f"X-Simulate: fault {fault} takes a number from {smallest} to {largest}, not {digits!r}")
    return fault, int(digits)


def _check_ranges(controls: Controls) -> None:
    for name, (smallest, largest) in _RANGES.items():
        value = getattr(controls, name)
        if value is not None and not smallest <= value <= largest:
            raise ControlError(f"X-Simulate: {name} takes a number from {smallest} to {largest}, not {value}")
    if (controls.chunks or 1) * (controls.chunk_bytes or 1) > PIECES_BYTES_MAX:
        raise ControlError(f"X-Simulate: chunks times chunk_bytes is more than {PIECES_BYTES_MAX}")
