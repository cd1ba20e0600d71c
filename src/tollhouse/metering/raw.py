"""The part of a usage object that is kept with a call: its numeric leaves, bounded.

Rules: numbers and truth values stay under their keys; text never does, except the few words of a closed list that tell
what a number beside them counts. At most 64 leaves, four levels, and keys of at most 64 characters of an identifier.
"""

from __future__ import annotations

from collections.abc import Mapping

LEAVES_MAX = 64
DEPTH_MAX = 4
KEY_MAX = 64

WORDS = frozenset(
    {
        *("TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT", "5m", "1h", "message", "compaction", "advisor_message"),
        *("tokens", "duration", "standard", "priority", "batch", "flex", "fast", "default", "scale"),
        *("ON_DEMAND", "ON_DEMAND_FLEX", "ON_DEMAND_PRIORITY", "PROVISIONED_THROUGHPUT", "low", "medium", "high"),
    }
)
"""Words that stay: modality, time to live, kind of turn, tier."""


def numeric_leaves(usage: Mapping[str, object]) -> dict[str, object]:
    """A usage object without anything but numbers, nesting and listed words."""
    return _keep_object(usage, DEPTH_MAX, [LEAVES_MAX])


def _keep_object(value: Mapping[str, object], depth: int, room: list[int]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, child in value.items():
        kind = type(child)
        if room[0] <= 0:
            break
        if kind is int or kind is bool or kind is float or (kind is str and child in WORDS):
            if _is_name(key):
                room[0] -= 1
                kept[key] = child
        elif depth > 1 and isinstance(child, dict | list) and _is_name(key):
            kept[key] = _keep(child, depth - 1, room)
    return kept


def _is_name(key: str) -> bool:
    return len(key) <= KEY_MAX and key.isascii() and key.isidentifier()


def _keep(value: dict[str, object] | list[object], depth: int, room: list[int]) -> object:
    if isinstance(value, dict):
        return _keep_object(value, depth, room)
    return [_keep_object(row, depth, room) for row in value[:LEAVES_MAX] if isinstance(row, dict)]
