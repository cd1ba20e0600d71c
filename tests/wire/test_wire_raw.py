"""Raw calls: passed on unread, without a ceiling."""

from __future__ import annotations

from tollhouse.wire.call import Dialect, Route
from tollhouse.wire.dialects.raw import read_request
from tollhouse.wire.paths import match


def test_any_body_passes_as_the_same_object_without_a_ceiling() -> None:
    """Given bytes of any kind on a provider's own path, when read, then they go on untouched and unbounded."""
    route = match("POST", "/providers/x/v2/rerank", ())
    assert isinstance(route, Route)
    for body in (b"", b"\xff\x00", b'{"model":"not read","stream":true,"max_tokens":1}'):
        call = read_request(route, body)
        assert call.body is body
        assert (call.model, call.stream, call.unbounded, call.max_output_tokens) == ("", False, True, None)


def test_a_model_in_the_path_is_kept() -> None:
    """Given a route that has a model, when read, then policies can ask about it."""
    route = match("POST", "/providers/x/v1beta/models/gemini-x:generateContent", ())
    assert isinstance(route, Route)
    assert (route.dialect, read_request(route, b"").model) == (Dialect.GEMINI_GENERATE, "gemini-x")
