"""HTTP/1.1 as text: what the client's side says by itself, and what it takes out of a request's head.

Nothing here may turn a byte of a body, or of one line of a head, into something else.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import httptools

CROWDED_BODY = b'{"error":{"type":"unavailable","code":"unavailable","message":"too many open connections"}}'
CROWDED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(CROWDED_BODY), CROWDED_BODY)
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
HEAD_END = b"\r\n\r\n"
_UPGRADE_LINE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*(?=\r\n)", re.IGNORECASE)
"""One that ends here: of one that is cut in two, the second half would become a part of the line before it."""


def origin_form(url: bytes) -> bytes:
    """Path and query of a target that is a whole URL or has a fragment; ValueError if it is no URL."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError as error:
        raise ValueError("the request's target is no URL") from error
    path = parsed.path or b"/"
    return b"%b?%b" % (path, parsed.query) if parsed.query else path


def without_upgrade(before: bytes, data: bytes) -> bytes:
    """A piece of a head without its offers to switch protocols, which a server may ignore (RFC 9110 §7.8) and this one
    does. `before` are the head's last three bytes before this piece, fewer where it begins here."""
    if HEAD_END in before + data[:3]:
        # The head's end itself was cut in two: what follows is a body, whose lines are nobody's offers.
        return data
    end = data.find(HEAD_END)
    if end < 0:
        return _UPGRADE_LINE.sub(b"", data)
    return _UPGRADE_LINE.sub(b"", data[: end + 2]) + data[end + 2 :]
