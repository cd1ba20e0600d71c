"""Errors have each provider's shape, for any status."""

from __future__ import annotations

import msgspec
import pytest

from tollhouse.simulator.problem import problem
from tollhouse.wire.call import Family


@pytest.mark.parametrize(
    ("family", "status", "payload"),
    [
        (
            Family.OPENAI,
            429,
            {"error": {"message": "m", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
        ),
        (Family.OPENAI, 500, {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}),
        (Family.ANTHROPIC, 529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
        (Family.ANTHROPIC, 502, {"type": "error", "error": {"type": "api_error", "message": "m"}}),
        (Family.GEMINI, 503, {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}),
        (Family.GEMINI, 418, {"error": {"code": 418, "message": "m", "status": "INVALID_ARGUMENT"}}),
    ],
)
def test_shapes(family: Family, status: int, payload: object) -> None:
    """The body is the family's error object, and nothing is billed."""
    answer = problem(family, status, "m")
    assert (answer.status, msgspec.json.decode(answer.body), answer.amounts) == (status, payload, None)
