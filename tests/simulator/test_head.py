"""Each provider's headers come with its answers."""

from __future__ import annotations

import pytest

from tollhouse.simulator.answer import Answer
from tollhouse.simulator.head import headers_of, request_id
from tollhouse.wire.call import Family

NAMES = {
    Family.OPENAI: "x-request-id",
    Family.ANTHROPIC: "request-id",
    Family.GEMINI: "x-goog-request-id",
    Family.BEDROCK: "x-amzn-requestid",
}


@pytest.mark.parametrize("family", Family)
def test_every_family_has_its_request_id(family: Family) -> None:
    """The id stands under the provider's own name, and two answers never share one."""
    answer = Answer(content_type=b"application/json", headers=[(b"retry-after", b"3")])
    headers = dict(headers_of(family, answer, request_id(family, 7)))
    assert headers[NAMES[family].encode()] == request_id(family, 7) != request_id(family, 8)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"retry-after"] == b"3"


def test_streams_are_not_cached() -> None:
    """A stream says so."""
    answer = Answer(content_type=b"text/event-stream", events=[])
    assert (b"cache-control", b"no-cache") in headers_of(Family.OPENAI, answer, b"req_1")
