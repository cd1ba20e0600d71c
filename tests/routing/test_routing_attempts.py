"""What comes after an attempt that failed."""

from __future__ import annotations

import pytest

from tollhouse.routing.attempts import (
    TOO_SLOW,
    UNREACHABLE,
    UNSENT,
    Again,
    Attempt,
    Failure,
    Over,
    RetryBudget,
    deposit,
    failed,
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
    """It may have been executed, and other targets make no difference."""
    step = over(failed(start(TWO), failure, FULL))
    assert step.refusal is refusal
    assert step.attempts.past == (Attempt(number=1, target=FIRST, failure=failure),)


def test_second_failure_ends_it() -> None:
    """Two attempts by default; each is recorded."""
    step = over(failed(again(failed(start(ONE), Failure.CONNECT_FAILED, FULL)).attempts, Failure.CONNECT_TIMEOUT, FULL))
    assert step.refusal is TOO_SLOW
    assert [attempt.failure for attempt in step.attempts.past] == [Failure.CONNECT_FAILED, Failure.CONNECT_TIMEOUT]


def test_next_target_is_tried_at_once() -> None:
    """The pause is for the place that failed."""
    step = again(failed(start(TWO), Failure.CONNECT_FAILED, FULL))
    assert (step.attempts.target, step.wait_s) == (SECOND, 0.0)


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
