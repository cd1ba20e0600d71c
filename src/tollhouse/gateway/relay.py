"""Relay and meter: the provider's answer goes to the client byte for byte while a reader observes it.

Whole answers of a metered dialect are gathered up to `GATHERED_BYTES_MAX`, so that their cost can stand in a header and
their record is durable before the client has them; everything else passes as it comes, with back-pressure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tollhouse.gateway.headers import answer_lines
from tollhouse.gateway.record import CallRecord, GatewayStoppingError, Phase
from tollhouse.gateway.respond import REQUEST_ID_HEADER
from tollhouse.gateway.settlement import Settlement
from tollhouse.gateway.upstream import Connection
from tollhouse.kernel.errors import ProviderError, ProviderTimeoutError
from tollhouse.kernel.ids import REQUEST_PREFIX
from tollhouse.kernel.money import format_usd
from tollhouse.kernel.outcome import Outcome
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError
from tollhouse.routing.attempts import TOO_SLOW
from tollhouse.settings import Limits
from tollhouse.wire.call import Call, Dialect, Reported
from tollhouse.wire.dialects import answer_reader, read_whole
from tollhouse.wire.encoding import SUPPORTED, Inflater

REQUEST_ID_LINE = REQUEST_ID_HEADER + b": " + REQUEST_PREFIX.encode()
# Looked up once: a member by its class costs more than most of what is decided by it.
_RAW, _COMPLETED, _EVENT = Dialect.RAW, Outcome.COMPLETED, Phase.EVENT

GATHERED_BYTES_MAX = 1024 * 1024
BROKEN_OFF = Refusal(
    code=RefusalCode.PROVIDER_UNREACHABLE, message="The provider broke off its answer before it was complete."
)
INFLATED_BYTES_MAX = 64 * 1024 * 1024
REQUEST_ID_NAMES = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id")
REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
EVENT_STREAM = b"text/event-stream"


async def relay(record: CallRecord, answer: Connection, limits: Limits, *, strip_usage: bool) -> None:
    """Passes an answer on, settles its call and closes its record. ProviderError where the answer broke off."""
    fields = dict(answer.headers)
    record.provider_status = answer.status
    record.provider_request_id = _provider_request_id(fields)
    call = record.call
    assert call is not None, "relayed before it was read"
    if _is_whole(call, fields.get(b"content-type", b"")) and b"content-encoding" not in fields:
        body = answer.take_whole()
        if body is not None:
            _deliver(record, answer, fields, body)
            return
    await Relay(record, call, answer, fields, limits, strip_usage=strip_usage).run()


def _deliver(record: CallRecord, answer: Connection, fields: Mapping[bytes, bytes], body: bytes) -> None:
    """The ordinary case: an answer in one piece, all of which has come."""
    assert record.call is not None, "relayed before it was read"
    record.first_byte(answer.now_s())
    record.reported = read_whole(record.call, fields.get(b"content-type", b"").decode("latin-1"), body)
    record.answer_complete = True
    settlement = record.settle()
    record.response_bytes = len(body)
    if not record.client_gone:
        record.status = answer.status
    record.close(_outcome(record, answer.status, record.reported))
    record.request.edge.whole(answer.status, _head(record, answer, fields, settlement), body)


class Relay:
    """One answer on its way from a provider to the client, as it comes."""

    __slots__ = (
        *("_answer", "_edge", "_encoded", "_fields", "_gathers", "_idle_s", "_inflater", "_now_s", "_reader"),
        *("_record", "_started", "_strips"),
    )

    def __init__(
        self,
        record: CallRecord,
        call: Call,
        answer: Connection,
        fields: Mapping[bytes, bytes],
        limits: Limits,
        *,
        strip_usage: bool,
    ) -> None:
        self._record = record
        self._answer = answer
        self._edge = record.request.edge
        self._idle_s = limits.idle_timeout_s
        self._now_s = answer.now_s
        self._started = False
        self._fields = fields
        content_type = fields.get(b"content-type", b"")
        encoding = fields.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        self._encoded = encoding not in ("identity", "")
        # An encoding that was not asked for and is not known passes unseen; its usage is estimated.
        self._inflater = Inflater(INFLATED_BYTES_MAX) if encoding in SUPPORTED else None
        self._strips = strip_usage and answer.status < 400 and not self._encoded
        self._gathers = _is_whole(call, content_type)
        self._reader = answer_reader(call, content_type.decode("latin-1"), answer.status, self._strips)
        record.reader, record.reported = self._reader, self._reader.reported

    async def run(self) -> None:
        """Passes the whole answer on, settles, closes the record, and ends the client's answer - in this order."""
        record = self._record
        try:
            gathered = await self._gather() if self._gathers else None
            if gathered is None:
                await self._pass_on()
        except ProviderError as error:
            self._refuse_if_unstarted(error)
            raise
        record.answer_complete = True
        rest = self._reader.finish()
        settlement = record.settle()
        record.response_bytes += len(rest if gathered is None else gathered)
        if not record.client_gone:
            record.status = self._answer.status
        record.close(_outcome(record, self._answer.status, self._reader.reported))
        if gathered is not None:
            self._edge.whole(self._answer.status, _head(record, self._answer, self._fields, settlement), gathered)
            return
        if not self._started:
            self._start()
        if rest:
            self._edge.write(rest)
        self._edge.end()

    async def _gather(self) -> bytes | None:
        """The whole body; None once it outgrows the bound, with what was read already passed on."""
        parts: list[bytes] = []
        size = 0
        while data := await self._next():
            parts.append(self._observe(data))
            size += len(data)
            if size > GATHERED_BYTES_MAX:
                self._start()
                await self._write(b"".join(parts))
                return None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _pass_on(self) -> None:
        if not self._started:
            self._start()
        self._answer.flow_into(self._push)
        while not await self._answer.flowed():
            await self._until_client_reads()
            self._answer.resume()

    def _push(self, data: bytes) -> None:
        """One piece of a stream, as it comes: observed, written, and that is all, for it happens for every event."""
        record, edge = self._record, self._edge
        now_s = self._now_s()
        if record.ttft_ms is None:
            record.first_byte(now_s)
        record.waits(_EVENT, now_s + self._idle_s)
        passed = self._observe(data) if self._encoded else self._reader.feed(data)
        if passed and not record.client_gone:
            record.response_bytes += len(passed)
            edge.write(passed)
            if edge.blocked:
                self._answer.halt()

    async def _until_client_reads(self) -> None:
        """The client reads slower than the provider writes: nothing more is taken from the provider meanwhile."""
        self._record.waits(Phase.CLIENT, self._answer.now_s() + self._idle_s)
        await self._edge.writable()
        self._record.waits(Phase.EVENT, self._answer.now_s() + self._idle_s)

    async def _next(self) -> bytes:
        record = self._record
        data = await self._answer.read()
        now_s = self._answer.now_s()
        if record.ttft_ms is None and data:
            record.first_byte(now_s)
        record.waits(Phase.EVENT, now_s + self._idle_s)
        return data

    def _observe(self, data: bytes) -> bytes:
        if not self._encoded:
            return self._reader.feed(data)
        if self._inflater is not None:
            self._reader.feed(self._inflater.feed(data))
        return data

    async def _write(self, data: bytes) -> None:
        record, edge = self._record, self._edge
        if edge.blocked:
            await self._until_client_reads()
        edge.write(data)
        record.response_bytes += len(data)

    def _start(self) -> None:
        self._started = True
        if not self._record.client_gone:
            self._record.status = self._answer.status
        length = None if self._strips else self._declared_length()
        self._edge.start(self._answer.status, _head(self._record, self._answer, self._fields, None), length)

    def _refuse_if_unstarted(self, error: ProviderError) -> None:
        """A whole answer that broke off before the client had any of it can still be answered with a clear error."""
        if self._started or self._record.client_gone or isinstance(error, GatewayStoppingError):
            return
        timeout = isinstance(error, ProviderTimeoutError)
        self._record.ending = Outcome.PROVIDER_TIMEOUT if timeout else Outcome.PROVIDER_CUT
        raise RefusedError(TOO_SLOW if timeout else BROKEN_OFF) from error

    def _declared_length(self) -> int | None:
        value = self._fields.get(b"content-length")
        return int(value) if value is not None and value.isdigit() else None


def _head(
    record: CallRecord, answer: Connection, fields: Mapping[bytes, bytes], settlement: Settlement | None
) -> bytes:
    """The header lines that the client receives."""
    lines = answer_lines(answer.headers, fields)
    lines.append(REQUEST_ID_LINE + record.request.call_id.encode())
    if settlement is not None and settlement.charge.cost_nano_usd is not None:
        lines.append(b"x-tollhouse-cost-usd: " + format_usd(settlement.charge.cost_nano_usd).encode())
    lines.append(b"")
    return b"\r\n".join(lines)


def _outcome(record: CallRecord, status: int, reported: Reported) -> Outcome:
    if record.client_gone:
        return Outcome.CLIENT_GONE
    if status >= 400 or reported.error_code is not None:
        return Outcome.PROVIDER_ERROR
    return _COMPLETED


def _is_whole(call: Call, content_type: bytes) -> bool:
    return not call.stream and call.route.dialect is not _RAW and not content_type.startswith(EVENT_STREAM)


def _provider_request_id(fields: Mapping[bytes, bytes]) -> str | None:
    for name in REQUEST_ID_NAMES:
        value = fields.get(name)
        if value is not None and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return None
