"""Reading counts out of a usage object that someone else wrote.

Rules: a count is a whole number of at most a hundred million. Anything else is noted as `usage_invalid` and taken as
not reported. Never raises, whatever the object holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.metering.model import Flag

COUNT_END = 100_000_001
"""More than any call can have. Taken for true, one lie would cost more than a sum of the ledger can hold."""

NOTHING: Mapping[str, object] = {}


class Reader:
    """One usage object being read, with the flags found so far."""

    __slots__ = ("flags", "usage")

    def __init__(self, usage: Mapping[str, object]) -> None:
        self.usage = usage
        self.flags: list[str] = []

    def flag(self, flag: Flag) -> None:
        """Notes something odd, once."""
        if flag.value not in self.flags:
            self.flags.append(flag.value)

    def count(self, key: str, within: Mapping[str, object] | None = None) -> int | None:
        """The count under `key`, None where it is absent, null or not a count."""
        value = (self.usage if within is None else within).get(key)
        if type(value) is int:
            if 0 <= value < COUNT_END:
                return value
        elif value is None:
            return None
        elif type(value) is float and value.is_integer() and 0 <= value < COUNT_END:
            return int(value)
        self.flag(Flag.INVALID)
        return None

    def first(self, *keys: str) -> int | None:
        """The first of several names for one count that is there and not zero; else zero if one is there."""
        found: int | None = None
        for key in keys:
            value = self.count(key)
            if value:
                return value
            if value is not None:
                found = value
        return found

    def part(self, *keys: str) -> Mapping[str, object]:
        """A nested object under the first of these names that has one; empty where there is none."""
        for key in keys:
            value = self.usage.get(key)
            if isinstance(value, dict):
                return value
        return NOTHING

    def rows(self, key: str) -> tuple[Mapping[str, object], ...]:
        """The objects of a list under `key`; at most 64 are read."""
        value = self.usage.get(key)
        if not isinstance(value, list):
            return ()
        return tuple(row for row in value[:64] if isinstance(row, dict))

    def note_unknown(self, known: frozenset[str]) -> None:
        """Flags keys that no rule knows: a new count must not pass unnoticed."""
        if not known.issuperset(self.usage):
            self.flag(Flag.UNKNOWN_FIELD)


def outside_parts(gap: int, parts: Mapping[str, int]) -> frozenset[str] | None:
    """Which parts a provider counted outside its totals, so that they fill the gap to the reported total.

    The identity `input (+ parts) + output (+ parts) == total` decides. The fewest parts that fit are taken, earlier
    names first; None when no choice fits. A gap of zero means that every part is inside.
    """
    if gap == 0:
        return frozenset()
    names = [name for name, size in parts.items() if size]
    best: frozenset[str] | None = None
    for mask in range(1, 1 << len(names)):
        chosen = [name for place, name in enumerate(names) if mask >> place & 1]
        fits = sum(parts[name] for name in chosen) == gap
        if fits and (best is None or len(chosen) < len(best)):
            best = frozenset(chosen)
    return best


def without_zeros(units: Mapping[str, int]) -> dict[str, int]:
    """The units that count something."""
    return {unit: quantity for unit, quantity in units.items() if quantity}
