"""Finding: what one check found, how bad it is, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """`broken`: something that Tollhouse promises does not hold; `warning`: it may soon not, or is not wise."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of a check. `mend` says what to do; None where all is well."""

    check: str
    grade: Grade
    text: str
    mend: str | None = None


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check=check, grade=Grade.OK, text=text)


def warning(check: str, text: str, mend: str) -> Finding:
    """Works, but."""
    return Finding(check=check, grade=Grade.WARNING, text=text, mend=mend)


def broken(check: str, text: str, mend: str) -> Finding:
    """Does not work, or not as promised."""
    return Finding(check=check, grade=Grade.BROKEN, text=text, mend=mend)
