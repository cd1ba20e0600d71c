"""One call as one line of text, for people who watch calls go by. Pure.

The first columns have fixed widths, so that lines stand under each other. What came from outside (a model's name, a
label) is cut to a bounded length and shown without control characters: a terminal obeys those.
Never says that an unknown cost is zero.
"""

from __future__ import annotations

from tollhouse.kernel.ids import request_id, started_at
from tollhouse.kernel.money import format_usd
from tollhouse.kernel.outcome import Outcome
from tollhouse.ledger.event import LedgerCall, cost_of
from tollhouse.metering.model import UsageSource

SHOWN_CHARACTERS_MAX = 64
SHOWN_LABELS = ("team", "app", "feature", "customer", "environment", "session_id")
PLAIN_OUTCOMES = frozenset((Outcome.COMPLETED.value,))


def call_line(call: LedgerCall) -> str:
    """`10:30:00Z openai gpt-5-mini 150 in 320 out $0.00525 1.2 s team=ml req_…`, with how it ended if not well."""
    parts = [
        started_at(call.call_id).strftime("%H:%M:%SZ"),
        f"{shown(call.provider or '-'):<10}",
        f"{shown(call.model or call.requested_model or '-'):<28}",
        f"{count(call.input_tokens):>7} in",
        f"{count(call.output_tokens):>7} out",
        f"{cost_text(call):<14}",
        f"{duration(call.latency_ms):>7}",
        *_remarks(call),
        *_labels(call),
        request_id(call.call_id),
    ]
    return " ".join(parts)


def cost_text(call: LedgerCall) -> str:
    """`$0.00525`, `~$0.00525` where usage was estimated in whole or part, or `unpriced`."""
    cost = cost_of(call)
    return "unpriced" if cost is None else f"{'~' if is_estimated(call) else ''}${format_usd(cost)}"


def is_estimated(call: LedgerCall) -> bool:
    """Whether anything of the usage was not reported by the provider."""
    return call.usage_source in (UsageSource.ESTIMATED, UsageSource.PARTIAL)


def outcome_text(call: LedgerCall) -> str:
    """`completed`, or with what is known beside it: `refused budget_exceeded 402`."""
    known = [call.outcome]
    if call.outcome not in PLAIN_OUTCOMES:
        known += [shown(call.error_code)] if call.error_code and call.error_code != call.outcome else []
        known += [str(call.status)] if call.status is not None else []
    return " ".join(known)


def labels_text(call: LedgerCall) -> str:
    """The labels that people look for, `team=ml app=chat`; empty where nobody said any."""
    return " ".join(_labels(call))


def count(tokens: int | None) -> str:
    """A count, or `?` where it is not known."""
    return "?" if tokens is None else str(tokens)


def duration(milliseconds: int) -> str:
    """`840 ms` or `1.2 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s"


def shown(text: str) -> str:
    """Text from outside as it may stand in a line: bounded, and `printable`."""
    return printable(text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…")


def printable(text: str) -> str:
    """The text with a mark in place of everything that a terminal might obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _remarks(call: LedgerCall) -> list[str]:
    remarks = []
    if call.outcome not in PLAIN_OUTCOMES:
        remarks.append(f"[{outcome_text(call)}]")
    if call.streaming:
        remarks.append("stream")
    if call.cache_hit:
        remarks.append("cache-hit")
    if call.routed:
        remarks.append("routed")
    return remarks


def _labels(call: LedgerCall) -> list[str]:
    said = ((name, getattr(call, name)) for name in SHOWN_LABELS)
    return [f"{name}={shown(value)}" for name, value in said if value]
