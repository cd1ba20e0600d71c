"""The gateway's ASGI application: paths that need no key, and the corridor for everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tollhouse.gateway.pipeline import corridor
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.request import Receive, Send, request_of

JSON = b"application/json"
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
PLAIN = b"text/plain; charset=utf-8"
NO_CONTACT = (
    b'{"error":{"type":"no_route","code":"no_route","message":"Nobody is named here to tell of a weakness: '
    b'the operator can set security_contact."}}'
)
CONTACT_GOOD_FOR = timedelta(days=364)
"""RFC 9116 recommends less than a year."""


class GatewayApp:
    """`troubles` names what keeps this worker from recording calls; `alive` the workers whose gauges count."""

    def __init__(self, plane: Plane, *, troubles: Callable[[], list[str]], alive: Callable[[], list[str]]) -> None:
        self._plane = plane
        self._troubles = troubles
        self._alive = alive

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/healthz":
            await _send(send, 200, JSON, b'{"status":"ok"}')
        elif path == "/readyz":
            await self._ready(send)
        elif path == "/metrics":
            await _send(send, 200, PROMETHEUS, self._plane.metrics.exposition(self._alive()))
        elif path == "/.well-known/security.txt":
            await self._security(send)
        else:
            await corridor(self._plane, request_of(scope, receive, self._plane.loop.time()))

    async def _ready(self, send: Send) -> None:
        troubles = self._troubles()
        if self._plane.stopping:
            troubles.append("stopping")
        body = msgspec.json.encode({"status": "unready" if troubles else "ready", "troubles": troubles})
        await _send(send, 503 if troubles else 200, JSON, body)

    async def _security(self, send: Send) -> None:
        contact = self._plane.settings.security_contact
        if contact is None:
            await _send(send, 404, JSON, NO_CONTACT)
        else:
            await _send(send, 200, PLAIN, security_txt(contact, datetime.now(UTC)).encode())


def security_txt(contact: str, now: datetime) -> str:
    """Whom to tell of a weakness, as RFC 9116 writes it, good for a year from `now` (aware UTC)."""
    address = contact if contact.startswith(("https://", "mailto:", "tel:")) else f"mailto:{contact}"
    return f"Contact: {address}\nExpires: {now + CONTACT_GOOD_FOR:%Y-%m-%dT%H:%M:%SZ}\nPreferred-Languages: en\n"


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
