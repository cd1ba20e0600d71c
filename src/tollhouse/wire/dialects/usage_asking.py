"""Asks an OpenAI Chat stream for its usage by splicing bytes into the request; everything else stays byte for byte."""

from __future__ import annotations

from tollhouse.wire.call import Call, Dialect
from tollhouse.wire.members import Member, read_members

_ASK = b'"include_usage":true'


def inject_usage(call: Call) -> bytes:
    """The body to send so that usage is streamed; the client's own bytes where it need not be asked for."""
    if call.asked_usage or not call.stream or call.route.dialect is not Dialect.OPENAI_CHAT:
        return call.body
    body = call.body
    # A key can be written with escapes; without either word the members need not be looked at.
    options = read_members(body).get("stream_options") if b"stream_options" in body or b"\\u" in body else None
    if options is None:
        opening = body.index(b"{") + 1
        # A comma always: a call has at least its model.
        return body[:opening] + b'"stream_options":{' + _ASK + b"}," + body[opening:]
    return body[: options.start] + _asking(options) + body[options.end :]


def _asking(options: Member) -> bytes:
    """The value of `stream_options`, with `include_usage` true and its other members as they were."""
    value = options.value
    if value == b"null":
        return b"{" + _ASK + b"}"
    members = read_members(value)
    included = members.get("include_usage")
    if included is not None:
        return value[: included.start] + b"true" + value[included.end :]
    return b"{" + _ASK + (b"," if members else b"") + value[1:]
