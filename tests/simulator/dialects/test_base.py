"""What the dialects share: controls in a body, dated names, cut arguments."""

from __future__ import annotations

import pytest

from tollhouse.simulator.control import NO_CONTROLS, Controls
from tollhouse.simulator.dialects.base import Incoming, controls_of, dated, split_json
from tollhouse.simulator.problem import RequestError


def _incoming(controls: Controls | None = None) -> Incoming:
    return Incoming(body=b"", seed=bytes(32), controls=controls)


def test_the_header_wins_over_the_body() -> None:
    """Controls of the header stand alone; without them the first carrier that has some speaks."""
    header = Controls(output_tokens=1)
    body = {"simulate": "output_tokens=2"}
    assert controls_of(_incoming(header), body) == header
    assert controls_of(_incoming(), None, {"team": "x"}, body, "simulate: output_tokens=3") == Controls(output_tokens=2)
    assert controls_of(_incoming(), None, {"user_id": "someone"}, "someone") == NO_CONTROLS


def test_unusable_controls_in_a_body_are_refused() -> None:
    """A misspelt control is a 400 wherever it stands."""
    with pytest.raises(RequestError, match="colour"):
        controls_of(_incoming(), "simulate: colour=red")


def test_only_undated_models_are_dated() -> None:
    """A name without a snapshot of its own comes back as it is."""
    assert [dated(name) for name in ("gpt-4o", "gpt-4o-2024-05-13", "mine")] == [
        "gpt-4o-2024-08-06",
        "gpt-4o-2024-05-13",
        "mine",
    ]


@pytest.mark.parametrize("count", [1, 3, 8, 100])
def test_cut_arguments_add_up(count: int) -> None:
    """The parts are not empty, not more than asked for, and give the whole."""
    text = '{"cart":"toll"}'
    parts = split_json(text, count)
    assert "".join(parts) == text
    assert all(parts) and len(parts) <= count
