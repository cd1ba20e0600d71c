"""What can be had of JSON that a dialect's own types do not fit: providers differ, and usage must not be lost."""

from __future__ import annotations

import msgspec


def loose_object(payload: bytes) -> dict[str, object] | None:
    """The payload as an object of unknown members, or None if it is none."""
    try:
        loose = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return loose if isinstance(loose, dict) else None
