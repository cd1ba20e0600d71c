"""Names that providers and clients put into JSON, admitted only where they look like names.

What is read here ends up in the ledger, so content must not travel under another name: each kind has an alphabet and
a length, and what does not fit is dropped, never cut.
"""

from __future__ import annotations

import re

_MODEL = re.compile(r"[A-Za-z0-9@~_][A-Za-z0-9._:/@+~-]{0,199}")
_RESPONSE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=+-]{0,199}")
_TIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_CODE = re.compile(r"[A-Za-z_.]{1,64}|[0-9]{1,6}")
"""Words or a number: no key is without both digits and letters, so that none can pass as a code."""


def is_model(value: str) -> bool:
    """Whether it is in the alphabet and length of model ids."""
    return _MODEL.fullmatch(value) is not None


def model_name(value: object) -> str | None:
    """A model's id, or None."""
    return value if isinstance(value, str) and _MODEL.fullmatch(value) else None


def response_id(value: object) -> str | None:
    """A provider's id of an answer, or None."""
    return value if isinstance(value, str) and _RESPONSE_ID.fullmatch(value) else None


def service_tier(value: object) -> str | None:
    """A service tier, or None."""
    return value if isinstance(value, str) and _TIER.fullmatch(value) else None


def error_code(*candidates: object) -> str:
    """The first candidate that is a code (a number counts), else `unknown`."""
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000:
            return str(value)
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return "unknown"
