"""Made-up text follows from its seed alone."""

from __future__ import annotations

from tollhouse.simulator.text import created_s, hexadecimal, identifier, words


def test_the_same_seed_gives_the_same_text() -> None:
    """Words, ids and times repeat for a seed and differ for another."""
    one, other = bytes(range(32)), bytes(range(32, 64))
    assert words(one, 40) == words(one, 40) != words(other, 40)
    assert identifier(one, "chat", 29) == identifier(one, "chat", 29) != identifier(one, "call", 29)
    assert created_s(one) == created_s(one) != created_s(other)


def test_lengths_and_alphabets() -> None:
    """An identifier has the length asked for and only letters and digits; words are separated by one blank."""
    seed = b"\x07" * 32
    assert len(identifier(seed, "a", 100)) == 100 and identifier(seed, "a", 100).isalnum()
    assert set(hexadecimal(seed, "a", 200)) <= set("0123456789abcdef")
    assert "".join(words(seed, 5)).count(" ") == 4
    assert words(seed, 0) == []
