"""Controls: what is understood, and what is refused with a reason."""

from __future__ import annotations

import pytest

from tollhouse.simulator.control import ControlError, Controls, Fault, parse_controls


def test_keys_and_values_are_read() -> None:
    """Numbers, switches and text become fields; blanks and a last semicolon do not matter."""
    controls = parse_controls("input_tokens=1200; cached_tokens = 1000 ;pace_ms=1.5; tool=true; tier=flex;")
    assert controls == Controls(input_tokens=1200, cached_tokens=1000, pace_ms=1.5, tool=True, tier="flex")


def test_faults_add_up_and_have_default_numbers() -> None:
    """Several faults may be asked for; one without its number takes the default."""
    controls = parse_controls("fault=gzip; fault=reset_mid:7; fault=status")
    assert controls.faults == {Fault.GZIP: 0, Fault.RESET_MID: 7, Fault.STATUS: 500}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("output_token=3", "output_token"),
        ("output_tokens", "expected key=value"),
        ("output_tokens=many", "int"),
        ("output_tokens=-1", "from 0"),
        ("chunks=0", "from 1"),
        ("chunks=100000; chunk_bytes=100000", "chunks times chunk_bytes"),
        ("fault=explode", "unknown fault"),
        ("fault=gzip:3", "takes no number"),
        ("fault=status:200", "from 300 to 599"),
        ("fault=reset_mid:x", "takes a number"),
        ("faults=1", "expected key=value"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, reason: str) -> None:
    """A misspelt or unusable control is an error that names it."""
    with pytest.raises(ControlError, match=reason):
        parse_controls(text)
