"""CallRecord: opened before the first side effect, closed exactly once, with one outcome.

A synchronous context manager, so that no cancellation can come between a call's end and its record. Whatever way a call
leaves the corridor - normally, by refusal, by fault, because the client went away - leaving the `with` prices what was
metered and writes it to the journal. Settlement is never a line after a loop that a disconnect could skip.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from types import TracebackType
from typing import Self

import msgspec

from tollhouse.attribution.model import NO_LABELS, Labels
from tollhouse.budget.model import Hold
from tollhouse.gateway.head import Head
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.request import ClientGoneError, Request
from tollhouse.gateway.settlement import UNSENT, Ending, PriceAt, Settlement, settle
from tollhouse.gateway.upstream import Connection
from tollhouse.identity.model import CredentialMode
from tollhouse.kernel.errors import (
    JournalError,
    ProviderCutError,
    ProviderError,
    ProviderTimeoutError,
)
from tollhouse.kernel.outcome import Outcome
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError
from tollhouse.ledger.model import CallAsked, CallBounds, CallEnding, CallOrigin, CallProgress, joined
from tollhouse.routing.model import Provider, Target
from tollhouse.snapshot.model import OnClientGone, Snapshot
from tollhouse.telemetry.log import log
from tollhouse.wire.call import Call, Dialect, Operation, Reported
from tollhouse.wire.dialects.base import AnswerReader

UNAVAILABLE_JOURNAL = Refusal(
    code=RefusalCode.UNAVAILABLE,
    message="Tollhouse cannot record calls now (journal), so it makes none; try again shortly.",
    retry_after_s=5,
)
BODY_TOO_SLOW = Refusal(
    code=RefusalCode.REQUEST_TIMEOUT, message="The request body did not arrive within the time allowed."
)


encode = msgspec.json.Encoder().encode


class Phase(Enum):
    """What a call is waiting for; decides what its deadline means."""

    BODY = "body"
    CONNECT = "connect"
    """Bounded by the dialer; the body has been read and is not to be judged any more."""
    FIRST_BYTE = "first_byte"
    EVENT = "event"
    CLIENT = "client"
    DRAIN = "drain"


# Looked up once: a member by its class costs more than most of what is decided by it.
_BODY, _CONNECT, _DRAIN = Phase.BODY, Phase.CONNECT, Phase.DRAIN

OUTCOME_OF_CODE = {
    RefusalCode.PROVIDER_UNREACHABLE: Outcome.PROVIDER_UNREACHABLE,
    RefusalCode.PROVIDER_TIMEOUT: Outcome.PROVIDER_TIMEOUT,
    RefusalCode.INTERNAL: Outcome.GATEWAY_FAULT,
}


class CallRecord:
    """The state of one call while it walks the corridor."""

    __slots__ = (
        *("_facts", "_plane", "_progress_events", "_was_opened", "answer_complete", "attempts", "call", "client_gone"),
        *("closed", "deadline_s", "ending", "flags", "head", "hold", "labels", "phase", "price_at"),
        *(
            "provider_request_id",
            "provider_status",
            "reader",
            "reported",
            "request",
            "request_bytes",
            "response_bytes",
            "sent",
        ),
        *("settlement", "snapshot", "status", "target", "total_deadline_s", "ttft_ms", "upstream"),
    )

    def __init__(self, plane: Plane, head: Head, snapshot: Snapshot, request: Request) -> None:
        self._plane = plane
        self.head = head
        self.snapshot = snapshot
        self.request = request
        self.labels: Labels = NO_LABELS
        self.call: Call | None = None
        self.hold: Hold | None = None
        self.target: Target | None = None
        self.flags: tuple[str, ...] = ()
        self.price_at: PriceAt | None = None
        self.upstream: Connection | None = None
        self.reader: AnswerReader | None = None
        """What reads an answer that passes bit by bit."""
        self.reported: Reported | None = None
        """What the provider said so far."""
        self.settlement: Settlement | None = None
        self.closed: CallEnding | None = None
        self.phase = _BODY
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
        self.ending: Outcome | None = None
        """Set where the outcome is known better than a refusal's code tells it."""
        self._was_opened = False
        self._facts = b""
        """What was known when it opened, as its entries begin; it does not change any more."""
        self._progress_events = 0

    def __enter__(self) -> Self:
        self._plane.open.add(self)
        self.request.on_gone = self.client_left
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plane.open.discard(self)
        self.request.on_gone = None
        if self.upstream is not None:
            self.upstream.release()
        if self.closed is None:
            outcome, code = self._ending_of(error)
            self.close(outcome, code)

    # What the corridor tells it

    async def open(self, target: Target, hold: Hold) -> None:
        """Durable before the upstream is contacted; RefusedError if it cannot be."""
        self.target, self.hold = target, hold
        self.waits(_CONNECT, self.total_deadline_s)
        self._facts = facts = self._known()
        bounds = CallBounds(
            input_tokens_max=hold.input_tokens_max, output_tokens_max=hold.output_tokens_max, price_id=hold.price_id
        )
        plane, call_id = self._plane, self.request.call_id
        opened = joined(facts, encode(bounds))
        try:
            if plane.settings.journal.durability == "power":
                # With a time limit, which asyncio counts for a task.
                await plane.loop.create_task(plane.journal.opened_durably(call_id, opened))
            else:
                plane.journal.opened(call_id, opened)
        except JournalError as error:
            plane.metrics.count("tollhouse_journal_errors")
            raise RefusedError(UNAVAILABLE_JOURNAL) from error
        self._was_opened = True

    def first_byte(self, now_s: float) -> None:
        """The first byte of the answer's body has come."""
        self.ttft_ms = int((now_s - self.request.started_s) * 1000)

    def waits(self, phase: Phase, until_s: float) -> None:
        """The call waits for something until a monotonic moment."""
        if self.phase is not _DRAIN:
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
                    reported=self.reported,
                    complete=self.answer_complete,
                ),
            )
        return self.settlement

    def close(self, outcome: Outcome, error_code: str | None = None) -> None:
        """Writes the call's one closing entry."""
        assert self.closed is None, "a call closes once"
        self.closed = self._closing(outcome, error_code)
        facts = self._facts or self._known()
        try:
            self._plane.journal.closed(self.request.call_id, joined(facts, encode(self.closed)))
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
        workspace = self.snapshot.workspaces.get(self.head.caller.tenant_id)
        cancel = workspace is not None and workspace.on_client_gone is OnClientGone.CANCEL
        if self.upstream is not None and (cancel or self.call is None or self.call.route.dialect is Dialect.RAW):
            self.upstream.expire(ProviderCutError("the client left"))
        elif self.upstream is not None:
            self.waits(Phase.DRAIN, self._plane.loop.time() + self._plane.limits.drain_timeout_s)

    def check_deadline(self, now_s: float) -> None:
        """Ends what has taken too long; called by the sweeper."""
        if self.phase is Phase.BODY and self._body_is_slow(now_s):
            self.request.interrupt(RefusedError(BODY_TOO_SLOW))
        elif now_s > min(self.deadline_s, self.total_deadline_s):
            if self.phase is Phase.CLIENT:
                self.request.edge.abort()
            elif self.upstream is not None:
                self.upstream.expire(ProviderTimeoutError("the provider took too long"))

    def stop(self) -> None:
        """The grace period is over."""
        if self.upstream is not None and self.phase is not Phase.CLIENT:
            self.upstream.expire(GatewayStoppingError("the gateway is stopping"))
        elif self.request.running is not None:
            self.request.running.cancel()

    def progress(self) -> CallProgress | None:
        """What has been metered of an open stream; None if nothing is new since the last time."""
        reported = self.reported
        if reported is None or not self._was_opened or self.closed is not None or self.call is None:
            return None
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

    def _known(self) -> bytes:
        """All that is known before the call ends, as its entries begin."""
        call, hold = self.call, self.hold
        asked = CallAsked(
            call_id=self.request.call_id,
            started_ms=self.request.started_ms,
            requested_model=(call.model or None) if call is not None else None,
            streaming=call.stream if call is not None else False,
            request_bytes=self.request_bytes,
            hold_nano_usd=hold.ceiling_nano_usd if hold is not None else None,
            holds=hold.windows if hold is not None else (),
        )
        facts = joined(self._origin(), encode(asked))
        return facts if self.labels is NO_LABELS else joined(facts, encode(self.labels))

    def _origin(self) -> bytes:
        head, snapshot = self.head, self.snapshot
        provider = self.target.provider if self.target is not None else None
        call = self.call
        key = (snapshot.version, provider.name if provider is not None else None, call is not None)
        known = head.origins.get(key)
        if known is None:
            origin = CallOrigin(
                tenant_id=head.caller.tenant_id,
                key_id=head.caller.key_id,
                dialect=call.route.dialect if call is not None else Dialect.RAW,
                operation=call.route.operation if call is not None else Operation.RAW,
                provider=provider.name if provider is not None else None,
                credential_mode=head.mode if provider is not None else None,
                credential_ref=_credential_ref(head, provider) if provider is not None else None,
                snapshot_version=snapshot.version,
                price_book_version=snapshot.book.version,
                worker=self._plane.worker,
            )
            known = head.origins[key] = encode(origin)
        return known

    def _closing(self, outcome: Outcome, error_code: str | None) -> CallEnding:
        reported = self.reported
        if reported is not None:
            error_code = error_code or reported.error_code
        settled = self.price_at is not None and self.call is not None
        # One that ended before anything could be sent has a cost that is known, and none.
        settlement = self.settle() if settled else UNSENT
        usage, charge = settlement.usage, settlement.charge
        return CallEnding(
            outcome=outcome,
            status=self.status,
            provider_status=self.provider_status,
            error_code=error_code,
            latency_ms=int((self._plane.loop.time() - self.request.started_s) * 1000),
            ttft_ms=self.ttft_ms,
            model=settlement.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            units=usage.units,
            fees=usage.fees,
            raw_usage=usage.raw,
            usage_source=usage.source,
            flags=(*usage.flags, *self.flags) if self.flags else usage.flags,
            service_tier=reported.service_tier if reported is not None else None,
            cost_nano_usd=charge.cost_nano_usd,
            price_status=charge.status,
            price_id=charge.price_id,
            charge_lines=charge.lines,
            provider_request_id=self.provider_request_id,
            provider_response_id=reported.response_id if reported is not None else None,
            attempts=self.attempts,
            response_bytes=self.response_bytes,
        )

    def _count(self, closed: CallEnding) -> None:
        metrics = self._plane.metrics
        dialect = self.call.route.dialect if self.call is not None else Dialect.RAW
        metrics.call(dialect, closed.outcome, closed.latency_ms)
        metrics.used(closed.input_tokens, closed.output_tokens, closed.cost_nano_usd)
        if closed.price_status == "unpriced":
            metrics.count("tollhouse_unpriced_calls")
        if closed.usage_source in ("estimated", "partial"):
            metrics.count("tollhouse_estimated_calls")


class GatewayStoppingError(ProviderError):
    """Raised into a call that the grace period did not suffice for."""


def _credential_ref(head: Head, provider: Provider) -> str | None:
    return provider.credential_ref if head.mode == CredentialMode.VAULT else head.mode
