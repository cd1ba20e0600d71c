"""Anything else of a configured provider: passed on unread, flagged `unmetered`, without a ceiling."""

from __future__ import annotations

from tollhouse.wire.call import Call, Route


def read_request(route: Route, body: bytes) -> Call:
    """The call; nothing of its body is known, so no ceiling is either."""
    return Call(route=route, model=route.model or "", stream=False, body=body, unbounded=True)
