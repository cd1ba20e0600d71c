"""CallRecord: opened before the first side effect, closed exactly once, with one outcome.

A synchronous context manager, so that no cancellation can come between a call's end and its record. Whatever way a call
leaves the corridor - normally, by refusal, by fault, because the client went away - leaving the `with` prices what was
metered and writes it to the journal. Settlement is never a line after a loop that a disconnect could skip.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from types import TracebackType
from typing import Any, Self

from tollhouse.attribution.model import LABEL_NAMES, NO_LABELS, Labels
from tollhouse.budget.model import Hold
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.request import Request
from tollhouse.gateway.settlement import Ending, PriceAt, Settlement, settle
from tollhouse.gateway.upstream import Connection
from tollhouse.identity.model import Caller
from tollhouse.kernel.errors import (
    JournalError,
    ProviderCutError,
    ProviderError,
    ProviderTimeoutError,
)
from tollhouse.kernel.outcome import Outcome
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError
from tollhouse.ledger.model import CallClosed, CallOpened, CallProgress
from tollhouse.routing.model import Target
from tollhouse.snapshot.model import OnClientGone, Snapshot
from tollhouse.telemetry.log import log
from tollhouse.wire.call import Call, Dialect, Reported
from tollhouse.wire.dialects.base import AnswerReader

UNAVAILABLE_JOURNAL = Refusal(
    code=RefusalCode.UNAVAILABLE,
    message="Tollhouse cannot record calls now (journal), so it makes none; try again shortly.",
    retry_after_s=5,
)
BODY_TOO_SLOW = Refusal(
    code=RefusalCode.REQUEST_TIMEOUT, message="The request body did not arrive within the time allowed."
)


class Phase(Enum):
    """What a call is waiting for; decides what its deadline means."""

    BODY = "body"
    CONNECT = "connect"
    """Bounded by the dialer; the body has been read and is not to be judged any more."""
    FIRST_BYTE = "first_byte"
    EVENT = "event"
    CLIENT = "client"
    DRAIN = "drain"


class ClientGoneError(Exception):
    """The client left; there is nobody to answer."""


OUTCOME_OF_CODE = {
    RefusalCode.PROVIDER_UNREACHABLE: Outcome.PROVIDER_UNREACHABLE,
    RefusalCode.PROVIDER_TIMEOUT: Outcome.PROVIDER_TIMEOUT,
    RefusalCode.INTERNAL: Outcome.GATEWAY_FAULT,
}


class CallRecord:
    """The state of one call while it walks the corridor."""

    __slots__ = (
        *("_known", "_plane", "_progress_events", "_task", "_was_opened", "answer_complete", "attempts"),
        *("body_too_slow", "call", "caller", "client_gone", "closed", "credential_mode", "deadline_s", "ending"),
        *("flags", "hold", "labels", "phase", "price_at", "provider_request_id", "provider_status", "reader"),
        *("request", "request_bytes", "response_bytes", "sent", "settlement", "snapshot", "status", "target"),
        *("total_deadline_s", "ttft_ms", "upstream"),
    )

    def __init__(self, plane: Plane, caller: Caller, snapshot: Snapshot, request: Request) -> None:
        self._plane = plane
        self._task = asyncio.current_task()
        self.caller = caller
        self.snapshot = snapshot
        self.request = request
        self.labels: Labels = NO_LABELS
        self.call: Call | None = None
        self.hold: Hold | None = None
        self.target: Target | None = None
        self.credential_mode: str | None = None
        self.flags: tuple[str, ...] = ()
        self.price_at: PriceAt | None = None
        self.upstream: Connection | None = None
        self.reader: AnswerReader | None = None
        self.settlement: Settlement | None = None
        self.closed: CallClosed | None = None
        self.phase = Phase.BODY
        self.deadline_s = request.started_s + plane.limits.body_timeout_s
        self.total_deadline_s = request.started_s + plane.limits.total_timeout_s
        self.status: int | None = None
        self.provider_status: int | None = None
        self.provider_request_id: str | None = None
        self.ttft_ms: int | None = None
        self.attempts = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.sent = False
        self.answer_complete = False
        self.client_gone = False
        self.body_too_slow = False
        self.ending: Outcome | None = None
        """Set where the outcome is known better than a refusal's code tells it."""
        self._was_opened = False
        self._known: dict[str, Any] | None = None
        self._progress_events = 0

    def __enter__(self) -> Self:
        self._plane.open.add(self)
        self.request.edge.on_gone = self.client_left
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plane.open.discard(self)
        self.request.edge.on_gone = None
        if self.upstream is not None:
            self.upstream.release()
        if self.closed is None:
            outcome, code = self._ending_of(error)
            self.close(outcome, code)

    # What the corridor tells it

    async def open(self, target: Target, hold: Hold, credential_mode: str) -> None:
        """Durable before the upstream is contacted; RefusedError if it cannot be."""
        assert self.call is not None, "opened before it was read"
        self.target, self.hold, self.credential_mode = target, hold, credential_mode
        self.waits(Phase.CONNECT, self.total_deadline_s)
        self._known = self._facts()
        opened = CallOpened(
            **self._known,
            input_tokens_max=hold.input_tokens_max,
            output_tokens_max=hold.output_tokens_max,
            price_id=hold.price_id,
        )
        try:
            if self._plane.settings.journal.durability == "power":
                await self._plane.journal.opened_durably(opened)
            else:
                self._plane.journal.opened(opened)
        except JournalError as error:
            self._plane.metrics.count("tollhouse_journal_errors")
            raise RefusedError(UNAVAILABLE_JOURNAL) from error
        self._was_opened = True

    def first_byte(self, now_s: float) -> None:
        """The first byte of the answer's body has come."""
        self.ttft_ms = int((now_s - self.request.started_s) * 1000)

    def waits(self, phase: Phase, until_s: float) -> None:
        """The call waits for something until a monotonic moment."""
        if self.phase is not Phase.DRAIN:
            self.phase, self.deadline_s = phase, until_s

    def settle(self) -> Settlement:
        """Prices what was metered. Idempotent."""
        if self.settlement is None:
            assert self.call is not None and self.price_at is not None, "settled before it was planned"
            if self.reader is not None and not self.answer_complete:
                # What came of a broken answer may hold its usage all the same.
                self.reader.finish()
            self.settlement = settle(
                self.call,
                self.hold,
                self.snapshot.book,
                self.price_at,
                Ending(
                    sent=self.sent,
                    provider_status=self.provider_status,
                    reported=self.reader.reported if self.reader is not None else None,
                    complete=self.answer_complete,
                ),
            )
        return self.settlement

    def close(self, outcome: Outcome, error_code: str | None = None) -> None:
        """Writes the call's one closing entry."""
        assert self.closed is None, "a call closes once"
        self.closed = self._closing(outcome, error_code)
        try:
            self._plane.journal.closed(self.closed)
        except JournalError as error:
            # The journal keeps the entry in memory and writes it when it can.
            self._plane.metrics.count("tollhouse_journal_errors")
            if self._was_opened:
                log("journal.close_deferred", "error", call_id=self.request.call_id, error=error)
        self._count(self.closed)

    # What the sweeper and the server tell it

    def client_left(self) -> None:
        """The client's connection ended."""
        if self.client_gone or self.closed is not None:
            return
        self.client_gone = True
        workspace = self.snapshot.workspaces.get(self.caller.tenant_id)
        cancel = workspace is not None and workspace.on_client_gone is OnClientGone.CANCEL
        if self.upstream is not None and (cancel or self.call is None or self.call.route.dialect is Dialect.RAW):
            self.upstream.expire(ProviderCutError("the client left"))
        elif self.upstream is not None:
            self.waits(Phase.DRAIN, self._plane.loop.time() + self._plane.limits.drain_timeout_s)

    def check_deadline(self, now_s: float) -> None:
        """Ends what has taken too long; called by the sweeper."""
        if self.phase is Phase.BODY and self._body_is_slow(now_s):
            self.body_too_slow = True
            if self._task is not None:
                self._task.cancel()
        elif now_s > min(self.deadline_s, self.total_deadline_s):
            if self.phase is Phase.CLIENT:
                self.request.edge.abort()
            elif self.upstream is not None:
                self.upstream.expire(ProviderTimeoutError("the provider took too long"))

    def stop(self) -> None:
        """The grace period is over."""
        if self.upstream is not None:
            self.upstream.expire(GatewayStoppingError("the gateway is stopping"))
        elif self._task is not None:
            self._task.cancel()

    def progress(self) -> CallProgress | None:
        """What has been metered of an open stream; None if nothing is new since the last time."""
        if self.reader is None or not self._was_opened or self.closed is not None or self.call is None:
            return None
        reported: Reported = self.reader.reported
        if reported.events == self._progress_events or self.price_at is None:
            return None
        self._progress_events = reported.events
        ending = Ending(sent=True, provider_status=self.provider_status, reported=reported, complete=False)
        so_far = settle(self.call, self.hold, self.snapshot.book, self.price_at, ending)
        return CallProgress(
            call_id=self.request.call_id,
            elapsed_ms=int((self._plane.loop.time() - self.request.started_s) * 1000),
            model=so_far.model,
            input_tokens=so_far.usage.input_tokens,
            output_tokens=so_far.usage.output_tokens,
            units=so_far.usage.units,
            usage_source=so_far.usage.source,
            cost_nano_usd=so_far.charge.cost_nano_usd,
            price_status=so_far.charge.status,
            price_id=so_far.charge.price_id,
        )

    # Inside

    def _body_is_slow(self, now_s: float) -> bool:
        limits = self._plane.limits
        elapsed = now_s - self.request.started_s
        return elapsed > limits.body_timeout_s or (
            elapsed > limits.head_timeout_s and self.request_bytes < limits.body_bytes_per_s_min * elapsed
        )

    def _ending_of(self, error: BaseException | None) -> tuple[Outcome, str | None]:
        if self.client_gone or isinstance(error, ClientGoneError):
            return Outcome.CLIENT_GONE, None
        if isinstance(error, RefusedError):
            code = error.refusal.code
            self.status = self.status or code.status
            return self.ending or OUTCOME_OF_CODE.get(code, Outcome.REFUSED), code.code
        if isinstance(error, GatewayStoppingError | asyncio.CancelledError):
            return Outcome.GATEWAY_STOPPED, None
        if isinstance(error, ProviderTimeoutError):
            return Outcome.PROVIDER_TIMEOUT, RefusalCode.PROVIDER_TIMEOUT.code
        if isinstance(error, ProviderError):
            return Outcome.PROVIDER_CUT, None
        return Outcome.GATEWAY_FAULT, RefusalCode.INTERNAL.code

    def _facts(self) -> dict[str, Any]:
        call, target = self.call, self.target
        facts: dict[str, Any] = {
            "call_id": self.request.call_id,
            "tenant_id": self.caller.tenant_id,
            "started_ms": self.request.started_ms,
            "key_id": self.caller.key_id,
            "request_bytes": self.request_bytes,
            "snapshot_version": self.snapshot.version,
            "price_book_version": self.snapshot.book.version,
            "worker": self._plane.worker,
        }
        if call is not None:
            facts["dialect"] = call.route.dialect
            facts["operation"] = call.route.operation
            facts["requested_model"] = call.model or None
            facts["streaming"] = call.stream
        if target is not None:
            facts["provider"] = target.provider.name
            facts["credential_mode"] = self.credential_mode
            facts["credential_ref"] = (
                target.provider.credential_ref if self.credential_mode == "vault" else self.credential_mode
            )
        if self.hold is not None:
            facts["hold_nano_usd"] = self.hold.ceiling_nano_usd
            facts["holds"] = self.hold.windows
        if self.labels is not NO_LABELS:
            for name in LABEL_NAMES:
                value = getattr(self.labels, name)
                if value is not None:
                    facts[name] = value
        return facts

    def _closing(self, outcome: Outcome, error_code: str | None) -> CallClosed:
        # What was known when it opened has not changed since.
        facts = self._known if self._known is not None else self._facts()
        facts["latency_ms"] = int((self._plane.loop.time() - self.request.started_s) * 1000)
        if self.price_at is not None and self.call is not None:
            facts.update(_settled(self.settle()))
        else:
            # It ended before anything could be sent: a cost that is known, and none.
            facts["cost_nano_usd"] = 0
        if self.flags:
            facts["flags"] = (*facts.get("flags", ()), *self.flags)
        if self.reader is not None:
            reported = self.reader.reported
            facts["provider_response_id"] = reported.response_id
            facts["service_tier"] = reported.service_tier
            error_code = error_code or reported.error_code
        return CallClosed(
            **facts,
            outcome=outcome,
            status=self.status,
            provider_status=self.provider_status,
            error_code=error_code,
            ttft_ms=self.ttft_ms,
            provider_request_id=self.provider_request_id,
            attempts=self.attempts,
            response_bytes=self.response_bytes,
        )

    def _count(self, closed: CallClosed) -> None:
        metrics = self._plane.metrics
        metrics.call(closed.dialect, closed.outcome, closed.latency_ms)
        metrics.used(closed.input_tokens, closed.output_tokens, closed.cost_nano_usd)
        if closed.price_status == "unpriced":
            metrics.count("tollhouse_unpriced_calls")
        if closed.usage_source in ("estimated", "partial"):
            metrics.count("tollhouse_estimated_calls")


class GatewayStoppingError(ProviderError):
    """Raised into a call that the grace period did not suffice for."""


def _settled(settlement: Settlement) -> dict[str, object]:
    usage, charge = settlement.usage, settlement.charge
    return {
        "model": settlement.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "units": usage.units,
        "fees": usage.fees,
        "raw_usage": usage.raw,
        "usage_source": usage.source,
        "flags": usage.flags,
        "cost_nano_usd": charge.cost_nano_usd,
        "price_status": charge.status,
        "price_id": charge.price_id,
        "charge_lines": charge.lines,
    }
