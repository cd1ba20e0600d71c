"""How much generated text an answer delivered, in UTF-8 bytes: what an estimate rests on when no usage was reported."""

from __future__ import annotations

_LEVELS_MAX = 8


def utf8_bytes(text: str) -> int:
    """Length of the text in UTF-8; lone surrogates, which have none, count as the three bytes they came as."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def text_bytes(value: object, levels: int = _LEVELS_MAX) -> int:
    """All text in a value of unknown shape: its strings, those of its lists, and of its objects but their `type`."""
    if isinstance(value, str):
        return utf8_bytes(value)
    if levels and isinstance(value, list):
        return sum(text_bytes(item, levels - 1) for item in value)
    if levels and isinstance(value, dict):
        return sum(text_bytes(item, levels - 1) for key, item in value.items() if key != "type")
    return 0
