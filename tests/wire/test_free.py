"""Calls that are not billed: what is read of them, and what is not."""

from __future__ import annotations

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.free import read_request
from tollhouse.wire.paths import match


def route_of(method: str, path: str) -> Route:
    """The route of a path that is served."""
    route = match(method, path, ())
    assert isinstance(route, Route)
    return route


def test_a_stored_answer_passes_with_its_body_unread() -> None:
    """Given the cancelling of a stored answer, when read, then its body goes on as it is and no model is known."""
    call = read_request(route_of("POST", "/v1/responses/resp_1/cancel"), b"\x00 not json")
    assert isinstance(call, Call)
    assert (call.body, call.model, call.max_output_tokens, call.stream) == (b"\x00 not json", "", 0, False)


def test_a_body_sent_with_a_list_is_dropped() -> None:
    """Given a GET with a body, when read, then nothing goes on that nobody reads."""
    call = read_request(route_of("GET", "/v1/models"), b'{"model":"m"}')
    assert isinstance(call, Call)
    assert (call.body, call.model) == (b"", "")


def test_a_count_of_tokens_needs_its_model() -> None:
    """Given a token count, when its body has no model and its path neither, then it is refused; the path's wins."""
    assert isinstance(read_request(route_of("POST", "/v1/messages/count_tokens"), b'{"messages":[]}'), Refusal)
    call = read_request(route_of("POST", "/v1beta/models/in-path:countTokens"), b'{"model":"in-body"}')
    assert isinstance(call, Call)
    assert (call.model, call.unbounded, call.referenced) == ("in-path", False, False)


def test_nothing_of_a_free_call_is_generated() -> None:
    """Given fields of a generation in a token count, when read, then they make no output and no stream."""
    body = b'{"model":"m","max_tokens":9,"stream":true}'
    call = read_request(route_of("POST", "/v1/messages/count_tokens"), body)
    assert isinstance(call, Call)
    assert (call.max_output_tokens, call.stream, call.body) == (0, False, body)
