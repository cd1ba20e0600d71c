"""The attempts of one call: what comes after one that failed. A sans-io machine over frozen values.

A call is tried again only if the provider cannot have executed it: the connection failed, or broke before a byte was
sent. What was sent and never answered may have been executed and billed: it is not sent again. An answer of any status
is an answer: SDKs try those again themselves, and two who retry multiply. Retries spend from a budget that ordinary
calls fill, so that an outage is not answered with twice the traffic.
Never waits, sleeps or reads a clock; the corridor does what a step says.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.routing.model import Plan, Target

_TOKEN = 1000
_DEPOSIT = 200
_TOKENS_MAX = 10 * _TOKEN


class Failure(StrEnum):
    """How an attempt ended without an answer; the value is stored."""

    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CLOSED_UNSENT = "closed_unsent"
    """A kept connection turned out to be closed before a byte of the request was written."""
    CLOSED_SENT = "closed_sent"
    """The request was written, in part or whole, and no answer began."""
    ANSWER_TIMEOUT = "answer_timeout"
    """The request was written and no answer began in time."""


UNSENT = frozenset((Failure.CONNECT_FAILED, Failure.CONNECT_TIMEOUT, Failure.CLOSED_UNSENT))
_TIMEOUTS = frozenset((Failure.CONNECT_TIMEOUT, Failure.ANSWER_TIMEOUT))


class RetryRules(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts_max` counts the first attempt."""

    attempts_max: int = 2
    reconnect_wait_s: float = 0.1
    """Before the same place is tried again after it could not be reached."""


class RetryBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of thousandths of retries: every call adds a fifth of a retry, every retry takes one, ten at most."""

    thousandths: int = _TOKENS_MAX


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One that is over without an answer, numbered from 1."""

    number: int
    target: Target
    failure: Failure


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """A call's attempts so far, and the one that is running."""

    plan: Plan
    rules: RetryRules
    target: Target
    """Of the running attempt, or of the last when there is none."""
    number: int = 1
    past: tuple[Attempt, ...] = ()


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Wait, then run the attempt that `attempts` now describes. `budget` replaces the one that was given."""

    attempts: Attempts
    budget: RetryBudget
    wait_s: float


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """No further attempt. `refusal` is what the client is told."""

    attempts: Attempts
    refusal: Refusal


UNREACHABLE = Refusal(
    code=RefusalCode.PROVIDER_UNREACHABLE,
    message="The provider could not be reached, or closed the connection before it answered. Try again shortly.",
)
TOO_SLOW = Refusal(
    code=RefusalCode.PROVIDER_TIMEOUT,
    message="The provider did not answer in time. Try again shortly.",
)
_DEFAULT_RULES = RetryRules()


def start(plan: Plan, rules: RetryRules = _DEFAULT_RULES) -> Attempts:
    """The first attempt of a plan, at its first target."""
    return Attempts(plan=plan, rules=rules, target=plan.targets[0])


def deposit(budget: RetryBudget) -> RetryBudget:
    """The budget after one more call was begun."""
    if budget.thousandths >= _TOKENS_MAX:
        return budget
    return RetryBudget(thousandths=min(_TOKENS_MAX, budget.thousandths + _DEPOSIT))


def failed(attempts: Attempts, failure: Failure, budget: RetryBudget) -> Again | Over:
    """What follows when the running attempt ended without an answer."""
    attempt = Attempt(number=attempts.number, target=attempts.target, failure=failure)
    refusal = TOO_SLOW if failure in _TIMEOUTS else UNREACHABLE
    if failure not in UNSENT:
        return Over(attempts=_closed(attempts, attempt), refusal=refusal)
    # A stale kept connection says nothing against the place: a new one may be opened at once.
    pause = 0.0 if failure is Failure.CLOSED_UNSENT else attempts.rules.reconnect_wait_s
    return _again(attempts, attempt, budget, pause) or Over(attempts=_closed(attempts, attempt), refusal=refusal)


def _again(attempts: Attempts, attempt: Attempt, budget: RetryBudget, pause_s: float) -> Again | None:
    if attempts.number >= attempts.rules.attempts_max or budget.thousandths < _TOKEN:
        return None
    targets = attempts.plan.targets
    target = targets[min(attempts.number, len(targets) - 1)]
    # A pause is for the place that failed; another one is asked at once.
    wait_s = pause_s if target is attempts.target else 0.0
    following = msgspec.structs.replace(_closed(attempts, attempt), target=target, number=attempts.number + 1)
    return Again(attempts=following, budget=RetryBudget(thousandths=budget.thousandths - _TOKEN), wait_s=wait_s)


def _closed(attempts: Attempts, attempt: Attempt) -> Attempts:
    return msgspec.structs.replace(attempts, past=(*attempts.past, attempt))
