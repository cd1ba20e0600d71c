"""Sending a call to its targets until one answers, as the attempts machine says.

The only place of the gateway that reveals a provider's key: into the head of one request, to that provider's host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tollhouse.gateway.head import Head, Way
from tollhouse.gateway.headers import field_lines, host_of
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.record import CallRecord, GatewayStoppingError, Phase
from tollhouse.gateway.request import ClientGoneError
from tollhouse.gateway.upstream import Connection, UpstreamRequest
from tollhouse.identity.model import CredentialMode
from tollhouse.kernel.errors import ProviderError, ProviderTimeoutError
from tollhouse.kernel.refusal import RefusedError
from tollhouse.routing.attempts import Failure, Over, deposit, failed, start
from tollhouse.routing.model import Plan, Provider
from tollhouse.telemetry.log import log
from tollhouse.wire.call import Call, Family
from tollhouse.wire.dialects import inject_usage
from tollhouse.wire.providers import KINDS, upstream_path

OTHER_FAMILIES_KEYS: Mapping[Family, frozenset[bytes]] = {
    Family.OPENAI: frozenset((b"x-api-key", b"x-goog-api-key")),
    Family.ANTHROPIC: frozenset((b"api-key", b"x-goog-api-key")),
    Family.GEMINI: frozenset((b"api-key", b"x-api-key")),
    Family.BEDROCK: frozenset((b"api-key", b"x-api-key", b"x-goog-api-key")),
}
"""Where other vendors' SDKs put their keys: one that is passed through goes to its own provider alone."""
_FIRST_BYTE = Phase.FIRST_BYTE
BODILESS = frozenset((b"GET", b"HEAD", b"DELETE"))
"""Methods whose requests have no length where they have no body."""
COMPLAINT_EVERY_S = 30.0


async def send_first_that_answers(plane: Plane, record: CallRecord, plan: Plan) -> tuple[Connection, bool]:
    """The first answer whose head arrives, and whether usage was asked for on the client's behalf.

    RefusedError when no target answered; ClientGoneError when nobody waits any more.
    """
    call = record.call
    assert call is not None, "sent before it was read"
    kind = KINDS[plan.targets[0].provider.kind]
    injects = call.stream and not call.asked_usage and kind.takes_stream_options
    body = inject_usage(call) if injects else call.body
    plane.retry_budget = deposit(plane.retry_budget)
    attempts = start(plan)
    while True:
        record.attempts = attempts.number
        try:
            return await _attempt(plane, record, attempts.target.provider, body), injects
        except ProviderError as error:
            failure = _failure_of(record, error)
            _complain(plane, attempts.target.provider, failure, error)
        step = failed(attempts, failure, plane.retry_budget)
        if isinstance(step, Over):
            raise RefusedError(step.refusal)
        attempts, plane.retry_budget = step.attempts, step.budget
        if step.wait_s:
            await asyncio.sleep(step.wait_s)


async def _attempt(plane: Plane, record: CallRecord, provider: Provider, body: bytes) -> Connection:
    connection = plane.upstream.take(provider) or await plane.upstream.dial(provider)
    if record.client_gone:
        plane.upstream.give_back(connection)
        raise ClientGoneError
    record.upstream = connection
    record.waits(_FIRST_BYTE, plane.loop.time() + plane.limits.first_byte_timeout_s)
    # From here on the provider may execute the call, whatever else happens.
    record.sent = True
    return await connection.exchange(_request(record, provider, body))


def _request(record: CallRecord, provider: Provider, body: bytes) -> UpstreamRequest:
    request, call, head = record.request, record.call, record.head
    assert call is not None, "sent before it was read"
    way = head.ways.get(provider.name)
    if way is None or way.provider is not provider:
        way = head.ways[provider.name] = way_of(head, request.method, call, provider)
    text = b"%b%b%b%b%b\r\n" % (
        way.start,
        field_lines(request.headers, way.dropped),
        way.end_streaming if call.stream else way.end,
        _credential_line(provider, head.mode),
        b"content-length: %d\r\n" % len(body) if body or request.method not in BODILESS else b"",
    )
    return UpstreamRequest(head=text, body=body, bodiless=request.method == b"HEAD")


def way_of(head: Head, method: bytes, call: Call, provider: Provider) -> Way:
    """What all requests of this head have in common at this provider."""
    kind = KINDS[provider.kind]
    query = b"?" + head.query if head.query else b""
    path = (provider.base_path + upstream_path(kind, call.route)).encode("latin-1")
    defaults = [f"{name}: {value}\r\n" for name, value in kind.default_headers if name.encode() not in head.names]
    end = b"accept-encoding: %b\r\n" + "".join(defaults).encode()
    return Way(
        provider=provider,
        start=b"%b %b%b HTTP/1.1\r\nhost: %b\r\n" % (method, path, query, host_of(provider)),
        dropped=head.dropped | OTHER_FAMILIES_KEYS[kind.family],
        end=end % head.encoding,
        end_streaming=end % b"identity",
    )


def _credential_line(provider: Provider, mode: str) -> bytes:
    if mode == CredentialMode.PASSTHROUGH or provider.credential is None:
        return b""
    placement = KINDS[provider.kind].key
    return b"%b: %b\r\n" % (placement.encode(), placement.header_value(provider.credential.reveal()))


def _failure_of(record: CallRecord, error: ProviderError) -> Failure:
    connection, record.upstream = record.upstream, None
    if connection is not None:
        connection.release()
    if record.client_gone:
        raise ClientGoneError from error
    if isinstance(error, GatewayStoppingError):
        raise error
    timeout = isinstance(error, ProviderTimeoutError)
    if record.sent:
        return Failure.ANSWER_TIMEOUT if timeout else Failure.CLOSED_SENT
    return Failure.CONNECT_TIMEOUT if timeout else Failure.CONNECT_FAILED


def _complain(plane: Plane, provider: Provider, failure: Failure, error: ProviderError) -> None:
    """Tells the operator why a provider cannot be reached, at most twice a minute for each."""
    now_s = plane.loop.time()
    if now_s >= plane.complaints.get(provider.host, 0.0):
        plane.complaints[provider.host] = now_s + COMPLAINT_EVERY_S
        log("provider.unreachable", "warning", provider=provider.name, failure=failure.value, reason=str(error))
