"""Sending a call to its targets until one answers, as the attempts machine says.

The only place of the gateway that reveals a provider's key: into the head of one request, to that provider's host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tollhouse.gateway.headers import Header, union, upstream_head
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.record import CallRecord, ClientGoneError, GatewayStoppingError, Phase
from tollhouse.gateway.upstream import Connection, UpstreamRequest
from tollhouse.identity.model import CredentialMode
from tollhouse.identity.rules import Credentials
from tollhouse.kernel.errors import ProviderError, ProviderTimeoutError
from tollhouse.kernel.refusal import RefusedError
from tollhouse.routing.attempts import Failure, Over, deposit, failed, start
from tollhouse.routing.model import Plan, Provider
from tollhouse.telemetry.log import log
from tollhouse.wire.call import Family
from tollhouse.wire.dialects import inject_usage
from tollhouse.wire.providers import KINDS, upstream_path

OTHER_FAMILIES_KEYS: Mapping[Family, frozenset[bytes]] = {
    Family.OPENAI: frozenset((b"x-api-key", b"x-goog-api-key")),
    Family.ANTHROPIC: frozenset((b"api-key", b"x-goog-api-key")),
    Family.GEMINI: frozenset((b"api-key", b"x-api-key")),
    Family.BEDROCK: frozenset((b"api-key", b"x-api-key", b"x-goog-api-key")),
}
"""Where other vendors' SDKs put their keys: one that is passed through goes to its own provider alone."""
COMPLAINT_EVERY_S = 30.0


async def send_first_that_answers(
    plane: Plane, record: CallRecord, plan: Plan, credentials: Credentials
) -> tuple[Connection, bool]:
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
            return await _attempt(plane, record, attempts.target.provider, credentials, body), injects
        except ProviderError as error:
            failure = _failure_of(record, error)
            _complain(plane, attempts.target.provider, failure, error)
        step = failed(attempts, failure, plane.retry_budget)
        if isinstance(step, Over):
            raise RefusedError(step.refusal)
        attempts, plane.retry_budget = step.attempts, step.budget
        if step.wait_s:
            await asyncio.sleep(step.wait_s)


async def _attempt(
    plane: Plane, record: CallRecord, provider: Provider, credentials: Credentials, body: bytes
) -> Connection:
    connection = await plane.upstream.connect(provider)
    if record.client_gone:
        plane.upstream.give_back(connection)
        raise ClientGoneError
    record.upstream = connection
    record.waits(Phase.FIRST_BYTE, plane.loop.time() + plane.limits.first_byte_timeout_s)
    # From here on the provider may execute the call, whatever else happens.
    record.sent = True
    return await connection.exchange(_request(record, provider, credentials, body))


def _request(record: CallRecord, provider: Provider, credentials: Credentials, body: bytes) -> UpstreamRequest:
    request, call = record.request, record.call
    assert call is not None, "sent before it was read"
    kind = KINDS[provider.kind]
    head = upstream_head(
        request.headers,
        request.fields,
        call,
        provider,
        credential=_credential(provider, credentials),
        carriers=union(credentials.drop_headers, OTHER_FAMILIES_KEYS[kind.family]),
    )
    for name, value in kind.default_headers:
        if name.encode() not in request.fields:
            head += f"{name}: {value}\r\n".encode()
    if body or request.method not in ("GET", "HEAD", "DELETE"):
        head += b"content-length: %d\r\n" % len(body)
    target = provider.base_path + upstream_path(kind, call.route)
    query = b"?" + credentials.query if credentials.query else b""
    line = b"%b %b%b HTTP/1.1\r\n" % (request.method.encode(), target.encode("latin-1"), query)
    return UpstreamRequest(head=b"%b%b\r\n" % (line, head), body=body, bodiless=request.method == "HEAD")


def _credential(provider: Provider, credentials: Credentials) -> Header | None:
    if credentials.mode == CredentialMode.PASSTHROUGH or provider.credential is None:
        return None
    placement = KINDS[provider.kind].key
    return placement.encode(), placement.header_value(provider.credential.reveal())


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
