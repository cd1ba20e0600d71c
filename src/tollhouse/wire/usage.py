"""Usage objects as providers send them, reduced to what may be kept: numbers, nesting, and a few words of known keys.

Bounded in depth, leaves, key and string length, so that nothing but counts can travel in it. Numbers nearest to the top
come first: a long list of details cannot push out the totals.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

DEPTH_MAX = 5
LEAVES_MAX = 200
NUMBER_MAX = 2**53
"""Beyond it a number is no count of anything, and readers of JSON would round it."""
COUNT_MAX = 100_000_000
"""The most that is plainly a count of tokens."""

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]

_KEY = re.compile(r"[A-Za-z0-9_]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,32}")
_WORD_KEYS = frozenset(
    ("modality", "type", "service_tier", "serviceTier", "trafficType", "ttl", "inference_geo", "speed", "model")
)


class _InputDetails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0
    text_tokens: Count = 0


class _OutputDetails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0
    text_tokens: Count = 0
    accepted_prediction_tokens: Count = 0
    rejected_prediction_tokens: Count = 0


class _PlainChat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    prompt_tokens: Count
    completion_tokens: Count = 0
    total_tokens: Count
    prompt_tokens_details: _InputDetails | None = _InputDetails()
    completion_tokens_details: _OutputDetails | None = _OutputDetails()


def is_plain_chat(usage: object) -> bool:
    """Whether a usage object is just what OpenAI documents for chat and embeddings: known names, whole counts.

    Nearly all are; one look in compiled code then spares every later walk through the object.
    """
    try:
        plain = msgspec.convert(usage, _PlainChat)
    except msgspec.ValidationError:
        return False
    return plain.prompt_tokens_details is not None and plain.completion_tokens_details is not None


def bounded_usage(usage: object) -> tuple[dict[str, object] | None, bool]:
    """The usage object as far as it is kept (None if it is no object), and whether bounds cost it something."""
    if not isinstance(usage, dict):
        return None, False
    budget = _Budget()
    return _object(usage, 1, budget), budget.cut


class _Budget:
    """Leaves that may still be kept."""

    __slots__ = ("cut", "leaves")

    def __init__(self) -> None:
        self.leaves = LEAVES_MAX
        self.cut = False

    def takes_leaf(self) -> bool:
        if self.leaves:
            self.leaves -= 1
            return True
        self.cut = True
        return False


def _object(value: dict[str, object], depth: int, budget: _Budget) -> dict[str, object]:
    kept: dict[str, object] = {}
    nested: list[str] = []
    for key, member in value.items():
        if type(member) is int and 0 <= member <= NUMBER_MAX and budget.leaves and _is_name(key):
            budget.leaves -= 1
            kept[key] = member
        elif isinstance(member, (dict, list)):
            nested.append(key)
        elif _is_kept(key, member, budget) and budget.takes_leaf():
            kept[key] = member
    for key in nested:
        if not _is_name(key) or depth == DEPTH_MAX:
            budget.cut = True
            continue
        inner = _nested(value[key], depth + 1, budget)
        if inner:
            kept[key] = inner
    return kept


def _nested(value: object, depth: int, budget: _Budget) -> object:
    """An object, or a list of objects and numbers; empty ones are told apart by nobody and left out."""
    if isinstance(value, dict):
        return _object(value, depth, budget)
    items: list[object] = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and depth < DEPTH_MAX:
            inner = _object(item, depth + 1, budget)
            if inner:
                items.append(inner)
        elif _is_number(item, budget) and budget.takes_leaf():
            items.append(item)
    return items


def _is_kept(key: str, member: object, budget: _Budget) -> bool:
    if isinstance(member, str):
        return key in _WORD_KEYS and _WORD.fullmatch(member) is not None
    return _is_number(member, budget) and _is_name(key)


def _is_name(key: str) -> bool:
    """Whether a key is in the alphabet; identifiers, as nearly all are, need no pattern."""
    if key.isascii() and key.isidentifier() and len(key) <= 64:
        return True
    return _KEY.fullmatch(key) is not None


def _is_number(member: object, budget: _Budget) -> bool:
    if isinstance(member, bool):
        return True
    if not isinstance(member, (int, float)):
        return False
    if -NUMBER_MAX <= member <= NUMBER_MAX:
        return True
    budget.cut = True
    return False
