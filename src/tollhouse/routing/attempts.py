"""The attempts of one call: what comes after one that failed. A sans-io machine over frozen values.

A call is tried again only while nothing of an answer has reached the client, and only if the provider cannot have
executed it: the connection failed, or broke before a byte was sent, or the provider answered with a status that the
rules name. What was sent and never answered may have been executed and billed: it is not sent again. Retries spend
from a budget that ordinary calls fill, so that an outage is not answered with twice the traffic.
Never waits, sleeps or reads a clock; the corridor does what a step says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
    """`attempts_max` counts the first attempt. `statuses` are answers to try again after; none by default, because
    SDKs retry those themselves and two who retry multiply.
    """

    attempts_max: int = 2
    statuses: frozenset[int] = frozenset()
    reconnect_wait_s: float = 0.1
    """Before the same place is tried again after it could not be reached."""
    wait_s_max: float = 2.0
    """A provider that asks for a longer pause has its answer passed on instead."""


class RetryBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of thousandths of retries: every call adds a fifth of a retry, every retry takes one, ten at most."""

    thousandths: int = _TOKENS_MAX


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One that is over, numbered from 1: it failed, or it was answered with a status."""

    number: int
    target: Target
    failure: Failure | None = None
    provider_status: int | None = None

    @property
    def counts_at_ceiling(self) -> bool:
        """Whether it may have been executed although nobody said what it cost."""
        return self.failure is not None and self.failure not in UNSENT


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """A call's attempts so far, and the one that is running."""

    plan: Plan
    rules: RetryRules
    target: Target
    """Of the running attempt, or of the last when there is none."""
    number: int = 1
    past: tuple[Attempt, ...] = ()
    client_began: bool = False
    """Bytes of an answer have reached the client: nothing can be tried again."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Wait, then run the attempt that `attempts` now describes. `budget` replaces the one that was given."""

    attempts: Attempts
    budget: RetryBudget
    wait_s: float


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """No further attempt. `refusal` is what the client is told, None where the provider's answer is passed on."""

    attempts: Attempts
    refusal: Refusal | None


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


def answer_begun(attempts: Attempts) -> Attempts:
    """The attempts once the first byte of an answer was handed to the client."""
    return msgspec.structs.replace(attempts, client_began=True)


def failed(attempts: Attempts, failure: Failure, budget: RetryBudget) -> Again | Over:
    """What follows when the running attempt ended without an answer."""
    attempt = Attempt(number=attempts.number, target=attempts.target, failure=failure)
    refusal = TOO_SLOW if failure in _TIMEOUTS else UNREACHABLE
    if failure not in UNSENT:
        return Over(attempts=_closed(attempts, attempt), refusal=refusal)
    # A stale kept connection says nothing against the place: a new one may be opened at once.
    pause = 0.0 if failure is Failure.CLOSED_UNSENT else attempts.rules.reconnect_wait_s
    return _again(attempts, attempt, budget, pause) or Over(attempts=_closed(attempts, attempt), refusal=refusal)


def answered(attempts: Attempts, status: int, retry_after_s: float | None, budget: RetryBudget) -> Again | Over:
    """What follows when the head of an answer has come: pass it on, or, for a status of the rules, try again.

    `retry_after_s` is what the provider asked for, None if nothing.
    """
    attempt = Attempt(number=attempts.number, target=attempts.target, provider_status=status)
    if status in attempts.rules.statuses:
        pause = attempts.rules.reconnect_wait_s if retry_after_s is None else retry_after_s
        again = _again(attempts, attempt, budget, pause)
        if again is not None:
            return again
    return Over(attempts=_closed(attempts, attempt), refusal=None)


def read_retry_after(value: bytes, now: datetime) -> float | None:
    """Seconds from a `Retry-After` field (RFC 9110 §10.2.3), a number or a date; None if it is neither."""
    text = value.strip().decode("latin-1")
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _again(attempts: Attempts, attempt: Attempt, budget: RetryBudget, pause_s: float) -> Again | None:
    if attempts.client_began or attempts.number >= attempts.rules.attempts_max or budget.thousandths < _TOKEN:
        return None
    targets = attempts.plan.targets
    target = targets[min(attempts.number, len(targets) - 1)]
    # A pause is for the place that failed; another one is asked at once.
    wait_s = pause_s if target is attempts.target else 0.0
    if wait_s > attempts.rules.wait_s_max:
        return None
    following = msgspec.structs.replace(_closed(attempts, attempt), target=target, number=attempts.number + 1)
    return Again(attempts=following, budget=RetryBudget(thousandths=budget.thousandths - _TOKEN), wait_s=wait_s)


def _closed(attempts: Attempts, attempt: Attempt) -> Attempts:
    return msgspec.structs.replace(attempts, past=(*attempts.past, attempt))
