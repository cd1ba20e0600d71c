"""The arithmetic that all dialects share."""

from __future__ import annotations

from tollhouse.simulator.answer import Amounts, Ask, amounts_of, generated_after, is_cut, pieces_of
from tollhouse.simulator.control import Controls, Fault


def _ask(controls: Controls, limit: int | None = None, choices: int = 1) -> Ask:
    return Ask(
        seed=bytes(32), model="m", stream=True, controls=controls, body_bytes=400, output_limit=limit, choices=choices
    )


def test_defaults_follow_from_the_request() -> None:
    """Without controls, input is a quarter of the body's bytes and output a small number from the seed."""
    assert amounts_of(_ask(Controls())) == Amounts(input=100, output=12)


def test_controls_set_all_amounts() -> None:
    """Cached parts belong to input, which is never smaller than they are; output counts once for each choice."""
    controls = Controls(
        input_tokens=50,
        cached_tokens=40,
        cache_write_tokens=20,
        cache_write_1h_tokens=5,
        output_tokens=9,
        reasoning_tokens=4,
    )
    amounts = amounts_of(_ask(controls, choices=2))
    assert amounts == Amounts(input=65, output=18, cached=40, cache_write=25, cache_write_1h=5, reasoning=8)
    assert amounts.fresh_input == 0


def test_the_requests_limit_cuts_unless_told_otherwise() -> None:
    """More output than the request allows is cut, and the answer says so; `over_limit` breaks the limit."""
    cut = _ask(Controls(output_tokens=100), limit=10)
    assert (amounts_of(cut).output, is_cut(cut)) == (10, True)
    broken = _ask(Controls(output_tokens=100, over_limit=True), limit=10)
    assert (amounts_of(broken).output, is_cut(broken)) == (100, False)


def test_pieces_have_the_number_and_length_asked_for() -> None:
    """`chunks` and `chunk_bytes` hold exactly, whatever the number of words."""
    for output in (1, 7, 90):
        pieces = pieces_of(_ask(Controls(output_tokens=output, chunks=30, chunk_bytes=11)))
        assert [len(piece) for piece in pieces] == [11] * 30
    assert len(pieces_of(_ask(Controls(output_tokens=10_000)))) == 256
    assert len(pieces_of(_ask(Controls(faults={Fault.HUGE_LINE: 12_345})))[0]) == 12_345


def test_generated_output_grows_to_the_whole() -> None:
    """Reasoning comes before the first piece, and the last piece completes the output."""
    amounts = Amounts(input=1, output=100, reasoning=60)
    assert [generated_after(amounts, done, 4) for done in range(5)] == [60, 70, 80, 90, 100]
