"""What comes after an attempt that failed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tollhouse.routing.attempts import (
    TOO_SLOW,
    UNREACHABLE,
    UNSENT,
    Again,
    Attempt,
    Attempts,
    Failure,
    Over,
    RetryBudget,
    RetryRules,
    answer_begun,
    answered,
    deposit,
    failed,
    read_retry_after,
    start,
)
from tollhouse.routing.model import Plan, Provider, Target

FIRST, SECOND = (
    Target(provider=Provider(name=name, kind="openai", scheme="https", host=name, port=443), model="m")
    for name in ("first", "second")
)
ONE = Plan(targets=(FIRST,), reason="r")
TWO = Plan(targets=(FIRST, SECOND), reason="r")
FULL = RetryBudget()
PATIENT = RetryRules(statuses=frozenset({429, 503}), attempts_max=3)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def again(step: Again | Over) -> Again:
    assert isinstance(step, Again), step
    return step


def over(step: Again | Over) -> Over:
    assert isinstance(step, Over), step
    return step


@pytest.mark.parametrize("failure", sorted(UNSENT))
def test_unsent_request_is_tried_again(failure: Failure) -> None:
    """The failed attempt is on record, and a retry is taken from the budget."""
    step = again(failed(start(ONE), failure, FULL))
    assert step.attempts.number == 2
    assert step.attempts.target is FIRST
    assert step.attempts.past == (Attempt(number=1, target=FIRST, failure=failure),)
    assert step.budget.thousandths == FULL.thousandths - 1000
    assert step.wait_s == (0.0 if failure is Failure.CLOSED_UNSENT else 0.1)


@pytest.mark.parametrize(
    ("failure", "refusal"), [(Failure.CLOSED_SENT, UNREACHABLE), (Failure.ANSWER_TIMEOUT, TOO_SLOW)]
)
def test_sent_request_is_never_sent_again(failure: Failure, refusal: object) -> None:
    """It may have been executed: it counts at its ceiling, and other targets make no difference."""
    step = over(failed(start(TWO), failure, FULL))
    assert step.refusal is refusal
    assert step.attempts.past[0].counts_at_ceiling


def test_second_failure_ends_it() -> None:
    """Two attempts by default; each is recorded, and neither cost anything."""
    step = over(failed(again(failed(start(ONE), Failure.CONNECT_FAILED, FULL)).attempts, Failure.CONNECT_TIMEOUT, FULL))
    assert step.refusal is TOO_SLOW
    assert [attempt.failure for attempt in step.attempts.past] == [Failure.CONNECT_FAILED, Failure.CONNECT_TIMEOUT]
    assert not any(attempt.counts_at_ceiling for attempt in step.attempts.past)


def test_next_target_is_tried_at_once() -> None:
    """The pause is for the place that failed."""
    step = again(failed(start(TWO), Failure.CONNECT_FAILED, FULL))
    assert (step.attempts.target, step.wait_s) == (SECOND, 0.0)


def test_nothing_is_retried_once_the_client_has_bytes() -> None:
    """Whatever the failure, and whatever the status."""
    begun = answer_begun(start(ONE, PATIENT))
    assert over(failed(begun, Failure.CLOSED_UNSENT, FULL)).refusal is UNREACHABLE
    assert over(answered(begun, 503, None, FULL)).refusal is None


def test_empty_budget_stops_retries_and_calls_fill_it() -> None:
    """Ten retries at once, then one for every five calls; never more than ten saved."""
    budget = FULL
    for _ in range(10):
        budget = again(failed(start(ONE), Failure.CONNECT_FAILED, budget)).budget
    over(failed(start(ONE), Failure.CONNECT_FAILED, budget))
    for _ in range(5):
        budget = deposit(budget)
    again(failed(start(ONE), Failure.CONNECT_FAILED, budget))
    for _ in range(100):
        budget = deposit(budget)
    assert budget == FULL


@pytest.mark.parametrize("status", [200, 400, 429, 500, 503])
def test_answers_are_passed_on_by_default(status: int) -> None:
    """An answer with an error status is an answer."""
    step = over(answered(start(ONE), status, 1.0, FULL))
    assert step == Over(
        attempts=Attempts(
            plan=ONE,
            rules=RetryRules(),
            target=FIRST,
            past=(Attempt(number=1, target=FIRST, provider_status=status),),
        ),
        refusal=None,
    )


def test_retry_after_is_honoured_where_a_status_is_retried() -> None:
    """As long as asked; a pause beyond the limit has the answer passed on; elsewhere there is no pause."""
    assert again(answered(start(ONE, PATIENT), 429, 1.5, FULL)).wait_s == 1.5
    assert again(answered(start(ONE, PATIENT), 503, None, FULL)).wait_s == 0.1
    assert over(answered(start(ONE, PATIENT), 429, 2.5, FULL)).refusal is None
    assert again(answered(start(Plan(targets=(FIRST, SECOND), reason="r"), PATIENT), 429, 60.0, FULL)).wait_s == 0.0
    assert over(answered(start(ONE, PATIENT), 500, None, FULL)).refusal is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"3", 3.0),
        (b" 120 ", 120.0),
        (b"Wed, 01 Apr 2026 12:00:30 GMT", 30.0),
        (b"Wed, 01 Apr 2026 11:00:00 GMT", 0.0),
        (b"soon", None),
        (b"", None),
        (b"-1", None),
        (b"9" * 30, None),
        (b"\xb2", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: bytes, expected: float | None) -> None:
    """Anything else is as good as absent."""
    assert read_retry_after(value, NOW) == expected
