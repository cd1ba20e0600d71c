"""What the gateway serves: a few paths of its own that need no key, and the corridor for everything else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from tollhouse.gateway.pipeline import corridor
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.request import Request
from tollhouse.gateway.running import Running

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
        self._own: dict[bytes, Callable[[Request], None]] = {
            b"/healthz": lambda request: _send(request, 200, JSON, b'{"status":"ok"}'),
            b"/readyz": self._ready,
            b"/metrics": self._metrics,
            b"/.well-known/security.txt": self._security,
        }

    def serve(self, request: Request) -> None:
        """Answers one of our own paths at once; whatever else goes through the corridor."""
        own = self._own.get(request.target) or self._own.get(request.target.partition(b"?")[0])
        if own is not None:
            own(request)
        else:
            request.running = running = Running(corridor(self._plane, request))
            running.step()

    def _ready(self, request: Request) -> None:
        troubles = self._troubles()
        if self._plane.stopping:
            troubles.append("stopping")
        body = msgspec.json.encode({"status": "unready" if troubles else "ready", "troubles": troubles})
        _send(request, 503 if troubles else 200, JSON, body)

    def _metrics(self, request: Request) -> None:
        _send(request, 200, PROMETHEUS, self._plane.metrics.exposition(self._alive()))

    def _security(self, request: Request) -> None:
        contact = self._plane.settings.security_contact
        if contact is None:
            _send(request, 404, JSON, NO_CONTACT)
        else:
            _send(request, 200, PLAIN, security_txt(contact, datetime.now(UTC)).encode())


def security_txt(contact: str, now: datetime) -> str:
    """Whom to tell of a weakness, as RFC 9116 writes it, good for a year from `now` (aware UTC)."""
    address = contact if contact.startswith(("https://", "mailto:", "tel:")) else f"mailto:{contact}"
    return f"Contact: {address}\nExpires: {now + CONTACT_GOOD_FOR:%Y-%m-%dT%H:%M:%SZ}\nPreferred-Languages: en\n"


def _send(request: Request, status: int, content_type: bytes, body: bytes) -> None:
    request.edge.whole(status, b"content-type: %b\r\n" % content_type, body)
