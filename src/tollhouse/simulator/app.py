"""App: the simulator as a plain ASGI application - reads a request, finds its dialect, bills, delivers.

Shell, one instance a process. Answers of small requests are kept by their bytes, since equal requests have equal
answers: a benchmark's upstream must not be its bottleneck.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus

import msgspec

from tollhouse.simulator.answer import Answer
from tollhouse.simulator.bill import BODY_KEPT_BYTES_MAX, BillBook, Seen
from tollhouse.simulator.control import NO_CONTROLS, ControlError, Controls, Fault, parse_controls
from tollhouse.simulator.deliver import Delivery, deliver
from tollhouse.simulator.desk import answer_desk
from tollhouse.simulator.dialects.base import Incoming
from tollhouse.simulator.head import headers_of, request_id
from tollhouse.simulator.problem import RequestError, problem
from tollhouse.simulator.recording import Recordings
from tollhouse.simulator.route import Target, key_refusal, route
from tollhouse.simulator.wire import SPELT_HEADERS, Receive, Scope, Send, Wire

BODY_BYTES_MAX = 64 * 1024 * 1024
KEPT_BODY_BYTES_MAX = 16 * 1024
KEPT_ANSWERS_MAX = 512

HeaderMap = dict[bytes, bytes]


class _Prepared(msgspec.Struct, frozen=True):
    answer: Answer
    controls: Controls
    digest: bytes


class SimulatorApp:
    """The application; `bills` is its count of what it billed."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self.bills = BillBook()
        self._recordings = recordings
        self._prepared: dict[tuple[str, str, bytes | None, bytes], _Prepared] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection: an HTTP request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        wire = Wire(scope, receive, send)
        if scope["path"].startswith("/_simulator/"):
            await answer_desk(self.bills, scope, wire)
            return
        await self._provide(scope, body, wire)

    async def _provide(self, scope: Scope, body: bytes, wire: Wire) -> None:
        headers: HeaderMap = dict(scope["headers"])
        target = route(scope["method"], scope["path"], scope["query_string"], headers)
        prepared = self._prepare(target, scope, headers, body)
        self._see(scope, body, prepared.digest)
        number = self.bills.next_number
        self.bills.next_number = number + 1
        request = request_id(target.family, number)
        answer, controls = prepared.answer, prepared.controls
        charge = None
        if answer.amounts is not None:
            correlation = headers.get(b"x-correlation")
            echo = None if correlation is None else correlation.decode("latin-1")
            charge = self.bills.open(answer, request, echo, prepared.digest)
        delivery = Delivery(
            answer=answer,
            headers=headers_of(target.family, answer, request),
            controls=controls,
            charge=charge,
            gzip=Fault.GZIP in controls.faults and b"gzip" in headers.get(b"accept-encoding", b""),
        )
        await deliver(delivery, wire)

    def _prepare(self, target: Target, scope: Scope, headers: HeaderMap, body: bytes) -> _Prepared:
        refusal = key_refusal(target.family, headers, scope["query_string"])
        if refusal is not None:
            digest = hashlib.sha256(body).digest()
            return _Prepared(problem(target.family, 401, refusal), NO_CONTROLS, digest)
        asked = headers.get(b"x-simulate")
        if len(body) > KEPT_BODY_BYTES_MAX or target.composer is None:
            return self._compose(target, scope, asked, body)
        key = (scope["path"], target.key, asked, body)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._compose(target, scope, asked, body)
            if len(self._prepared) >= KEPT_ANSWERS_MAX:
                self._prepared.clear()
            self._prepared[key] = prepared
        return prepared

    def _compose(self, target: Target, scope: Scope, asked: bytes | None, body: bytes) -> _Prepared:
        digest = hashlib.sha256(body).digest()
        controls = NO_CONTROLS
        try:
            if len(body) > BODY_BYTES_MAX:
                raise RequestError(413, f"The request is longer than {BODY_BYTES_MAX} bytes.")
            if asked is not None:
                controls = parse_controls(asked.decode("latin-1"))
            recorded = self._recorded(scope, controls, body)
            if recorded is not None:
                return _Prepared(_with_status(recorded, target, controls), controls, digest)
            if target.composer is None:
                raise RequestError(target.status, target.message)
            incoming = Incoming(
                body=body,
                seed=digest,
                controls=None if asked is None else controls,
                path_model=target.model,
                verb=target.verb,
                method=scope["method"],
                json_array=target.json_array,
            )
            answer = target.composer(incoming)
            if asked is None:
                controls = answer.controls
        except ControlError as error:
            return _Prepared(problem(target.family, 400, str(error)), NO_CONTROLS, digest)
        except RequestError as error:
            return _Prepared(problem(target.family, error.status, str(error)), NO_CONTROLS, digest)
        return _Prepared(_with_status(answer, target, controls), controls, digest)

    def _recorded(self, scope: Scope, controls: Controls, body: bytes) -> Answer | None:
        if self._recordings is None:
            if controls.recording is not None:
                raise RequestError(400, "X-Simulate: this simulator has no recordings")
            return None
        return self._recordings.find(scope["path"], body, controls)

    def _see(self, scope: Scope, body: bytes, digest: bytes) -> None:
        seen = Seen(
            method=scope["method"],
            path=scope["raw_path"],
            query=scope["query_string"],
            headers=scope[SPELT_HEADERS],
            body=body if len(body) <= BODY_KEPT_BYTES_MAX else None,
            body_bytes=len(body),
            digest=digest,
        )
        self.bills.see(seen)


def _with_status(answer: Answer, target: Target, controls: Controls) -> Answer:
    status = controls.faults.get(Fault.STATUS)
    if status is None:
        return answer
    failed = problem(target.family, status, f"Simulated failure with status {status}.")
    if status == HTTPStatus.NOT_MODIFIED:
        failed = msgspec.structs.replace(failed, body=b"")
    if controls.retry_after is not None:
        failed = msgspec.structs.replace(failed, headers=[(b"retry-after", controls.retry_after.encode("latin-1"))])
    return failed


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None if the client hung up first. What is over the limit is read and dropped."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message["more_body"]:
        return body
    parts = [body]
    held = len(body)
    while message["type"] != "http.request" or message["more_body"]:
        if message["type"] == "http.disconnect":
            return None
        message = await receive()
        part: bytes = message.get("body", b"")
        if held <= BODY_BYTES_MAX:
            parts.append(part)
        held += len(part)
    return b"".join(parts)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
