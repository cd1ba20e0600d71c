"""Desk: the simulator's own endpoints under `/_simulator/`, for tests that ask what was billed and what arrived.

Shell. Needs no key: the simulator is for trying things out and never belongs on a public network.
"""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from tollhouse.simulator.bill import REQUESTS_MAX, BillBook
from tollhouse.simulator.wire import Scope, Wire


async def answer_desk(bills: BillBook, scope: Scope, wire: Wire) -> None:
    """`GET billed[?last=N]`, `GET requests[?last=N]`, `GET health`, `POST reset`; 400 and 404 otherwise."""
    status, payload = _answer(bills, f"{scope['method']} {scope['path']}", scope["query_string"])
    body = msgspec.json.encode(payload)
    length = b"%d" % len(body)
    await wire.head(status, [(b"content-type", b"application/json"), (b"content-length", length)])
    await wire.end(body)


def _answer(bills: BillBook, request: str, query: bytes) -> tuple[int, dict[str, object]]:
    digits = parse_qs(query.decode("latin-1")).get("last", [""])[0]
    if digits and not digits.isdecimal():
        return 400, {"error": f"last: expected a number, found {digits!r}"}
    match request:
        case "GET /_simulator/billed":
            return 200, bills.billed(int(digits) if digits else None)
        case "GET /_simulator/requests":
            return 200, bills.requests(int(digits) if digits else REQUESTS_MAX)
        case "GET /_simulator/health":
            return 200, {"status": "ok"}
        case "POST /_simulator/reset":
            bills.reset()
            return 200, {"status": "reset"}
        case _:
            return 404, {"error": f"no such endpoint: {request}"}
