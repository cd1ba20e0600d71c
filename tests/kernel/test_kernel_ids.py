"""A call's id tells when the call began, and is read in every form in which people type it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.kernel.ids import CallId, call_id, parse_request_id, request_id, started_at, started_ms

MOMENTS = st.integers(0, 253_402_300_799_999)
RANDOMNESS = st.binary(min_size=10, max_size=10)


@given(unix_ms=MOMENTS, randomness=RANDOMNESS)
def test_a_call_id_is_a_uuid_of_version_seven(unix_ms: int, randomness: bytes) -> None:
    """Version, variant, and the moment in its first 48 bits."""
    made = UUID(call_id(unix_ms, randomness))
    assert (made.version, made.variant, made.int >> 80) == (7, RFC_4122, unix_ms)


@given(unix_ms=MOMENTS, randomness=RANDOMNESS)
def test_the_start_can_be_read_from_the_id(unix_ms: int, randomness: bytes) -> None:
    """To the millisecond, in UTC."""
    made = call_id(unix_ms, randomness)
    assert started_ms(made) == unix_ms
    assert started_at(made) == datetime.fromtimestamp(unix_ms // 1000, UTC).replace(microsecond=unix_ms % 1000 * 1000)


@given(first=RANDOMNESS, second=RANDOMNESS)
def test_ids_of_one_moment_differ_where_their_randomness_does(first: bytes, second: bytes) -> None:
    """Of 80 random bits the format has room for the first 12 and the last 62; those are all used."""
    assert (call_id(0, first) == call_id(0, second)) is (kept(first) == kept(second))


@pytest.mark.parametrize("bit", range(80))
def test_each_bit_that_has_room_changes_the_id(bit: int) -> None:
    """Flipped alone: two digits are the version's and the variant's, so six bits of the 80 have no room."""
    flipped = (1 << bit).to_bytes(10, "big")
    assert (call_id(0, flipped) != call_id(0, bytes(10))) is not (62 <= bit < 68)


def kept(randomness: bytes) -> tuple[int, int]:
    """The bits that an id has room for."""
    value = int.from_bytes(randomness, "big")
    return value >> 68, value & ((1 << 62) - 1)


def test_later_ids_sort_later() -> None:
    """Whatever their randomness."""
    assert call_id(1, b"\xff" * 10) < call_id(2, bytes(10))


def test_an_id_is_read_in_every_form() -> None:
    """With its prefix, with dashes, in capitals, or plain."""
    made = call_id(1_774_521_000_000, bytes(range(10)))
    for form in (request_id(made), made, str(UUID(made)), made.upper()):
        assert parse_request_id(form) == made


@given(unix_ms=MOMENTS, randomness=RANDOMNESS, upper=st.booleans())
def test_any_id_is_read_back_in_every_form(unix_ms: int, randomness: bytes, upper: bool) -> None:
    """As shown, as a UUID with dashes, and in capitals; its start stays what it was."""
    made = call_id(unix_ms, randomness)
    for form in (made, str(UUID(made)), f"{UUID(made)}".upper() if upper else request_id(made)):
        read = parse_request_id(form)
        assert (read, started_ms(read)) == (made, unix_ms)


@pytest.mark.parametrize("text", ["", "req_", "req_12", "x" * 32, "req_" + "0" * 33, "０" * 32])
def test_what_is_no_id_is_refused(text: str) -> None:
    """With words that say what one looks like."""
    with pytest.raises(ValueError, match="32 hex digits"):
        parse_request_id(text)


def test_an_id_is_shown_with_its_prefix() -> None:
    """As users see it."""
    assert request_id(CallId("0" * 32)) == "req_" + "0" * 32
