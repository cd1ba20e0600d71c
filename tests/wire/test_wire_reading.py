"""What reading a request has in common: typed fields, a model, and words that name a field and nothing in it."""

from __future__ import annotations

import msgspec
import pytest

from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.wire.dialects.reading import (
    METADATA_MAX,
    METADATA_VALUE_CHARACTERS_MAX,
    Choices,
    Tokens,
    bad_request,
    has_other_kinds,
    has_unknown,
    largest,
    model_refusal,
    read_body,
    string_metadata,
)

PLAIN = frozenset(("text", "refusal"))


class Fields(msgspec.Struct):
    """Typed fields to read."""

    max_tokens: Tokens | None = None
    n: Choices | None = None
    inner: list[dict[str, int]] | None = None


DECODER = msgspec.json.Decoder(Fields)


def refused(body: bytes) -> str:
    """The message of a refusal."""
    read = read_body(body, DECODER)
    assert isinstance(read, Refusal)
    assert read.code is RefusalCode.BAD_REQUEST
    return read.message


def test_a_body_gives_its_fields_and_every_value_as_written() -> None:
    """Given known and unknown members, when read, then the known are typed and all are there byte for byte."""
    read = read_body(b'{"max_tokens": 5, "other" : [1,  2] }', DECODER)
    assert not isinstance(read, Refusal)
    fields, values = read
    assert fields.max_tokens == 5
    assert {name: bytes(value) for name, value in values.items()} == {"max_tokens": b"5", "other": b"[1,  2]"}


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        (b'{"max_tokens":0}', True),
        (b'{"max_tokens":1000000000}', True),
        (b'{"max_tokens":1000000001}', False),
        (b'{"n":1}', True),
        (b'{"n":1024}', True),
        (b'{"n":1025}', False),
        (b'{"n":1e400}', False),
    ],
)
def test_the_bounds_of_limits_are_exact(body: bytes, accepted: bool) -> None:
    """Given a limit at and beyond its bound, when read, then the bound itself is the last that is accepted."""
    assert isinstance(read_body(body, DECODER), Refusal) is not accepted


def test_a_wrong_type_inside_a_field_is_told_by_the_field() -> None:
    """Given a wrong type deep inside, when refused, then the top-level field is named and not what stood there."""
    assert refused(b'{"inner":[{"zqz":"zqz"}]}') == "`inner` has the wrong type or is out of range"


def test_without_a_place_no_field_is_named() -> None:
    """Given a decoder that refuses the body as a whole, when refused, then no field is blamed."""
    read = read_body(b'{"a":1}', msgspec.json.Decoder(list[int]))
    assert isinstance(read, Refusal)
    assert read.message == "a field has the wrong type"


@pytest.mark.parametrize(
    ("model", "words"),
    [(None, "missing"), ("", "missing"), ("a b", "not a model's name"), ("m\n", "not a model's name"), ("m", None)],
)
def test_a_model_is_there_and_looks_like_one(model: str | None, words: str | None) -> None:
    """Given no model, one that is none, and a good one, when judged, then only the last is not refused."""
    refusal = model_refusal(model)
    assert (refusal is None) is (words is None)
    assert refusal is None or words in refusal.message


def test_an_unknown_field_counts_unless_it_is_null() -> None:
    """Given a field of tomorrow, when it is null, then it is as if it were not there."""
    known = frozenset(("a",))
    raw = msgspec.Raw
    assert not has_unknown({}, known)
    assert not has_unknown({"a": raw(b"1"), "b": raw(b"null")}, known)
    assert has_unknown({"a": raw(b"null"), "b": raw(b"false")}, known)


def test_metadata_is_bounded_in_number_and_length() -> None:
    """Given values and keys at and over their length, when read, then those at it stay and those over it go."""
    at, over = "v" * METADATA_VALUE_CHARACTERS_MAX, "v" * (METADATA_VALUE_CHARACTERS_MAX + 1)
    kept = string_metadata({"at": at, "over": over, "k" * 64: "v", "k" * 65: "v", "number": 1, "none": None})
    assert kept == {"at": at, "k" * 64: "v"}
    assert list(string_metadata({f"k{n}": "v" for n in range(METADATA_MAX + 1)})) == [
        f"k{n}" for n in range(METADATA_MAX)
    ]
    assert string_metadata(None) == string_metadata({}) == {}


@pytest.mark.parametrize(
    ("content", "other"),
    [
        (b'"text of image_url"', False),
        (b"null", False),
        (b"[]", False),
        (b'[{"type":"text"},{"type":"refusal"}]', False),
        (b'[{"type":"text"},{"type":"image_url"}]', True),
        (b'[{"text":"no type"}]', True),
        (b'["a string"]', True),
        (b'[{"type":7}]', True),
        (b'{"type":"image_url"}', True),
        (b'{"type":"text"}', True),
    ],
)
def test_only_text_and_lists_of_plain_parts_are_plain(content: bytes, other: bool) -> None:
    """Given content of every type, when looked at, then what is not known to be text counts as something else."""
    assert has_other_kinds(msgspec.Raw(content), PLAIN) is other


def test_the_largest_of_the_limits_that_are_set_counts() -> None:
    """Given limits under two names, when one is absent or zero, then the other counts, and none is none."""
    assert (largest(None, 3, 7), largest(0, None), largest(None, None), largest()) == (7, 0, None, None)


def test_a_refusal_of_a_body_is_a_bad_request() -> None:
    """Given a message, when a body is refused, then the code is the one for bad bodies."""
    assert bad_request("why") == Refusal(code=RefusalCode.BAD_REQUEST, message="why")
