"""The splitter: from what a provider reported to billable units.

Rules: the shape of the usage object decides how it is read, the dialect only where the shape could be two. A usage
object is a fact, explicit zeros included; where there is none, both sides are estimated, unless nothing was billed:
an error status, a free operation, an error before the first output. Of a broken stream, the output is the larger of
what was reported and what the delivered bytes suggest. Never raises on what a provider sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tollhouse.metering.anthropic import split_anthropic
from tollhouse.metering.bedrock import split_converse
from tollhouse.metering.estimate import expected_tokens
from tollhouse.metering.gemini import split_gemini
from tollhouse.metering.modal import split_images, split_realtime, split_transcription
from tollhouse.metering.model import Flag, RequestFacts, Shape, Split, Usage, UsageSource
from tollhouse.metering.openai import split_chat, split_plain_chat, split_responses
from tollhouse.metering.raw import numeric_leaves
from tollhouse.wire.call import Dialect, Reported

NO_USAGE = Usage(source=UsageSource.NONE)
"""Nothing was billed."""

_FREE, _RAW, _REPORTED = Dialect.FREE, Dialect.RAW, UsageSource.REPORTED

STATUS_ERROR = 300
"""From here on an answer is no success, and no provider bills it unless it reports usage."""

SHAPES: Mapping[Dialect, Shape] = {
    Dialect.OPENAI_CHAT: Shape.CHAT,
    Dialect.OPENAI_RESPONSES: Shape.RESPONSES,
    Dialect.OPENAI_EMBEDDINGS: Shape.CHAT,
    Dialect.ANTHROPIC_MESSAGES: Shape.ANTHROPIC,
    Dialect.GEMINI_GENERATE: Shape.GEMINI,
}
"""The shape that a dialect's own provider uses."""

SPLITTERS: Mapping[Shape, Callable[[Mapping[str, object], Mapping[str, int]], Split]] = {
    Shape.CHAT: split_chat,
    Shape.RESPONSES: split_responses,
    Shape.ANTHROPIC: split_anthropic,
    Shape.GEMINI: split_gemini,
    Shape.CONVERSE: split_converse,
    Shape.IMAGES: split_images,
    Shape.TRANSCRIPTION: split_transcription,
    Shape.REALTIME: split_realtime,
}

MODAL = frozenset({Shape.IMAGES, Shape.TRANSCRIPTION, Shape.REALTIME})
NO_OUTPUT = frozenset({Dialect.OPENAI_EMBEDDINGS})
"""Dialects that answer without generated tokens."""


def usage_of(dialect: Dialect, reported: Reported, *, complete: bool, request: RequestFacts) -> Usage:
    """What one attempt used. `complete`: the answer reached its end, so that the last usage object is final."""
    if dialect is _FREE:
        return NO_USAGE
    usage = reported.usage or reported.usage_first
    if usage is None:
        return _without_usage(dialect, reported, request)
    split = split_plain_chat(usage) if reported.usage_plain and not reported.server_tools else None
    if split is None:
        shape = shape_of(SHAPES.get(dialect), usage)
        if shape is None:
            return _without_usage(dialect, reported, request)
        split = split_usage(shape, usage, reported.server_tools, first=reported.usage_first)
    return _settle(dialect, split, reported, complete or reported.finished, request)


def split_usage(
    shape: Shape,
    usage: Mapping[str, object],
    items: Mapping[str, int],
    *,
    first: Mapping[str, object] | None = None,
) -> Split:
    """Takes a usage object of a known shape apart. `first` opened the stream, where that differs."""
    if shape is Shape.ANTHROPIC:
        return split_anthropic(usage, items, first)
    return SPLITTERS[shape](usage, items)


def shape_of(expected: Shape | None, usage: Mapping[str, object]) -> Shape | None:
    """The shape that a usage object has, by its keys; `expected` where they leave it open. None: unknown."""
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return Shape.CHAT
    if "input_tokens" in usage or "output_tokens" in usage:
        if expected in MODAL or expected is Shape.ANTHROPIC:
            return expected
        anthropic = "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage
        inclusive = "total_tokens" in usage or "input_tokens_details" in usage or expected is Shape.RESPONSES
        return Shape.ANTHROPIC if anthropic and not inclusive else Shape.RESPONSES
    if "promptTokenCount" in usage or "candidatesTokenCount" in usage or "totalTokenCount" in usage:
        return Shape.GEMINI
    if "inputTokens" in usage or "outputTokens" in usage or "inputTokenCount" in usage:
        return Shape.CONVERSE
    return expected


def _without_usage(dialect: Dialect, reported: Reported, request: RequestFacts) -> Usage:
    """No usage object: nothing was billed, or it has to be estimated."""
    status = request.status
    if status is None:
        return _never_answered(request)
    if status >= STATUS_ERROR or (reported.error_code is not None and not reported.output_bytes):
        return NO_USAGE
    if dialect is _RAW:
        return Usage(source=UsageSource.ESTIMATED, flags=(Flag.UNMETERED.value,))
    output = 0 if dialect in NO_OUTPUT else expected_tokens(reported.output_bytes)
    return _estimated(expected_tokens(request.body_bytes), output)


def _never_answered(request: RequestFacts) -> Usage:
    """Sent, and no word since: it may have been served in full."""
    most = request.input_tokens_max
    return _estimated(expected_tokens(request.body_bytes) if most is None else most, request.output_tokens_max or 0)


def _estimated(input_tokens: int, output_tokens: int) -> Usage:
    units = {"input": input_tokens, "output": output_tokens}
    return Usage(
        source=UsageSource.ESTIMATED,
        units={unit: quantity for unit, quantity in units.items() if quantity},
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def _settle(dialect: Dialect, split: Split, reported: Reported, complete: bool, request: RequestFacts) -> Usage:
    """A split usage object as the call's usage, with what is missing estimated."""
    units, flags = split.units, split.flags
    source = _REPORTED
    input_tokens, output_tokens = split.input_tokens, split.output_tokens
    if input_tokens is None:
        input_tokens = expected_tokens(request.body_bytes)
        units["input"] = units.get("input", 0) + input_tokens
        source, flags = UsageSource.ESTIMATED, _with(flags, Flag.MISSING)
    if dialect not in NO_OUTPUT and (output_tokens is None or not complete):
        delivered = expected_tokens(reported.output_bytes)
        if output_tokens is None and complete:
            flags = _with(flags, Flag.MISSING)
        more = delivered - (output_tokens or 0)
        if more > 0:
            units["output"] = units.get("output", 0) + more
            output_tokens = delivered
        source = UsageSource.PARTIAL if source is _REPORTED else source
    return Usage(
        source=source,
        units=units,
        fees=split.fees,
        input_tokens=input_tokens,
        output_tokens=output_tokens or 0,
        cache_read_tokens=split.read,
        cache_write_tokens=split.write,
        reasoning_tokens=split.reasoning,
        flags=(*flags, *reported.flags) if reported.flags else flags,
        raw=_raw(reported),
    )


def _with(flags: tuple[str, ...], flag: Flag) -> tuple[str, ...]:
    return flags if flag.value in flags else (*flags, flag.value)


def _raw(reported: Reported) -> Mapping[str, object]:
    """The usage objects that were read, as they are kept."""
    if reported.usage_plain and reported.usage_first is None:
        return reported.usage or {}
    raw = numeric_leaves(reported.usage or {})
    if reported.usage_first:
        raw["first"] = numeric_leaves(reported.usage_first)
    return raw
