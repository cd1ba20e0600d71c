"""Refusals are values, their codes are an interface, and `admit` is the way out of the corridor."""

from __future__ import annotations

import pytest

from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError, admit


def test_codes_are_unique_words_with_an_error_status() -> None:
    """What clients match on."""
    codes = [refusal.code for refusal in RefusalCode]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    assert all(400 <= refusal.status < 600 for refusal in RefusalCode)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("policy_denied", 403),
        ("budget_exceeded", 402),
        ("ceiling_unknown", 402),
        ("budget_held", 429),
        ("rate_limited", 429),
        ("too_large", 413),
        ("bad_request", 400),
        ("no_route", 404),
        ("provider_unreachable", 502),
        ("provider_timeout", 504),
        ("unavailable", 503),
    ],
)
def test_codes_that_are_published_stay(code: str, status: int) -> None:
    """The interface: a code may be added, none changes its status."""
    assert {refusal.code: refusal.status for refusal in RefusalCode}[code] == status


def test_evidence_is_admitted_as_it_is() -> None:
    """Whatever it is, falsy values included."""
    for evidence in ("x", 0, None, []):
        assert admit(evidence) is evidence


def test_a_refusal_leaves_by_exception() -> None:
    """Carried whole, named by its code, without its message."""
    refusal = Refusal(code=RefusalCode.TOO_LARGE, message="The body is too large.")
    with pytest.raises(RefusedError) as refused:
        admit(refusal)
    assert refused.value.refusal is refusal
    assert str(refused.value) == "too_large"
