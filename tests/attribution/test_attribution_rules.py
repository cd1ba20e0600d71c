"""Labels and wishes of a call."""

from __future__ import annotations

import pytest

from tollhouse.attribution.model import LABEL_NAMES, NO_LABELS, Labels
from tollhouse.attribution.rules import (
    Wishes,
    attribute,
    declared_labels,
    overruled,
    read_wishes,
)
from tollhouse.kernel.refusal import Refusal, RefusalCode

Headers = list[tuple[bytes, bytes]]


def refusal_of(headers: Headers) -> Refusal:
    verdict = attribute(headers, {}, {}, {})
    assert isinstance(verdict, Refusal)
    return verdict


@pytest.mark.parametrize("prefix", ["x-tollhouse-", "x-modeltrack-"])
@pytest.mark.parametrize("label", LABEL_NAMES)
def test_every_label_is_read_under_both_prefixes(prefix: str, label: str) -> None:
    """Underscores of the name are hyphens of the header."""
    header = (prefix + label.replace("_", "-")).encode()
    assert attribute([(b"host", b"x"), (header, b" value ")], {}, {}, {}) == Labels(**{label: "value"})


@pytest.mark.parametrize(
    ("suffix", "label"),
    [
        ("customer-id", "customer"),
        ("feature-id", "feature"),
        ("cost-center", "cost_center"),
        ("environment", "environment"),
    ],
)
def test_modelspend_headers_are_read(suffix: str, label: str) -> None:
    """Under the names that its clients send."""
    assert attribute([(b"x-modelspend-" + suffix.encode(), b"v")], {}, {}, {}) == Labels(**{label: "v"})


def test_precedence_is_fixed_header_metadata_default() -> None:
    """Each source yields to the one before it, label by label."""
    labels = attribute(
        [(b"x-tollhouse-team", b"header"), (b"x-tollhouse-app", b"header")],
        {"app": "metadata", "feature": "metadata", "team": "metadata"},
        {"team": "fixed"},
        {"feature": "default", "environment": "default"},
    )
    assert labels == Labels(team="fixed", app="header", feature="metadata", environment="default")


def test_nothing_said_is_no_label() -> None:
    """Empty values are as good as none, and do not hide a default."""
    assert attribute([], {}, {}, {}) is NO_LABELS
    assert attribute([(b"x-tollhouse-team", b"  ")], {"app": ""}, {}, {"team": "d"}) == Labels(team="d")


@pytest.mark.parametrize("order", [1, -1])
def test_our_own_prefix_goes_first(order: int) -> None:
    """Whatever the order of the headers."""
    headers = [
        (b"x-modelspend-customer-id", b"c"),
        (b"x-modeltrack-customer", b"b"),
        (b"x-tollhouse-customer", b"a"),
    ][::order]
    assert attribute(headers, {}, {}, {}) == Labels(customer="a")


def test_one_header_twice_must_agree() -> None:
    """Two values under one name cannot both be meant."""
    same = [(b"x-tollhouse-team", b"a"), (b"x-tollhouse-team", b"a ")]
    assert attribute(same, {}, {}, {}) == Labels(team="a")
    refusal = refusal_of([(b"x-tollhouse-team", b"a"), (b"x-tollhouse-team", b"b")])
    assert refusal.message == "Header x-tollhouse-team was sent twice with different values."


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 129,
        "é".encode() * 129,
        b"x" * 10_000,
        b"a\x00b",
        b"a\tb",
        b"a\x7fb",
        b"a\x85b",
        "zero\u200bwidth".encode(),
        "right\u202eleft".encode(),
        b"th_live_abc",
    ],
)
def test_unfit_header_is_refused_by_name(value: bytes) -> None:
    """Too long, not printable, or a key in the wrong place; the message does not repeat it."""
    refusal = refusal_of([(b"x-modeltrack-session-id", value)])
    assert refusal.code is RefusalCode.BAD_REQUEST
    assert refusal.message == "Header x-modeltrack-session-id must be printable and at most 128 characters."


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (b"x" * 128, "x" * 128),
        ("é".encode() * 128, "é" * 128),
        ("日本".encode(), "日本"),
        (b"caf\xe9", "café"),
        (b"a b", "a b"),
    ],
)
def test_fit_header_is_utf8_or_latin1(value: bytes, label: str) -> None:
    """At most 128 characters, however many bytes."""
    assert attribute([(b"x-tollhouse-team", value)], {}, {}, {}) == Labels(team=label)


def test_metadata_is_read_under_its_usual_names() -> None:
    """Snake and camel case; the label's own name goes before an alias; a person's id is never read."""
    metadata = {
        "customerId": "alias",
        "customer": "own",
        "featureId": "f",
        "costCenter": "cc",
        "sessionId": "s",
        "traceId": "t",
        "customerTier": "gold",
        "promptTemplate": "p",
        "user_id": "someone",
    }
    assert attribute([], metadata, {}, {}) == Labels(
        customer="own",
        feature="f",
        cost_center="cc",
        session_id="s",
        trace_id="t",
        customer_tier="gold",
        prompt_template="p",
    )


def test_metadata_that_is_no_label_is_left_to_the_provider() -> None:
    """The field is the provider's first: no refusal, no label."""
    assert attribute([], {"team": "x" * 129, "app": "a\nb", "topic": "y"}, {}, {}) == NO_LABELS


def test_overruled_labels_are_named() -> None:
    """Only those that were said otherwise, in headers or metadata."""
    fixed = {"team": "a", "app": "b", "feature": "c", "environment": "d"}
    headers = [(b"x-tollhouse-team", b"z"), (b"x-tollhouse-app", b"b")]
    assert overruled(headers, {"feature": "z"}, fixed) == ("feature", "team")
    assert overruled(headers, {}, {}) == ()


@pytest.mark.parametrize(
    ("header", "value", "wishes"),
    [
        (b"x-tollhouse-no-cache", b"true", Wishes(no_cache=True)),
        (b"x-modeltrack-no-cache", b"True", Wishes(no_cache=True)),
        (b"x-modeltrack-no-route", b"1", Wishes(no_route=True)),
        (b"x-tollhouse-no-route", b"false", Wishes()),
        (b"x-tollhouse-max-cost-usd", b"0.05", Wishes(max_cost_nano_usd=50_000_000)),
        (b"x-tollhouse-max-cost-usd", b"0", Wishes(max_cost_nano_usd=0)),
        (b"x-tollhouse-max-cost-usd", b" 12.000000001 ", Wishes(max_cost_nano_usd=12_000_000_001)),
        (b"x-tollhouse-team", b"true", Wishes()),
    ],
)
def test_wishes_are_read(header: bytes, value: bytes, wishes: Wishes) -> None:
    """Switches and an exact amount."""
    assert read_wishes([(b"host", b"x"), (header, value)]) == wishes


def test_stricter_wish_counts() -> None:
    """A wish said twice is not loosened by the second."""
    headers = [
        (b"x-tollhouse-max-cost-usd", b"1"),
        (b"x-modeltrack-max-cost-usd", b"2"),
        (b"x-tollhouse-no-cache", b"true"),
        (b"x-tollhouse-no-cache", b"false"),
    ]
    assert read_wishes(headers) == Wishes(no_cache=True, max_cost_nano_usd=1_000_000_000)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"x-tollhouse-no-cache", b"maybe"),
        *((b"x-tollhouse-max-cost-usd", v) for v in (b"", b"-1", b"1e3", b"NaN", b"$1", b"1,5", b".5", b"1.")),
        (b"x-tollhouse-max-cost-usd", b"0.0000000001"),
        (b"x-tollhouse-max-cost-usd", b"1" * 400),
        (b"x-tollhouse-max-cost-usd", "١".encode()),
    ],
)
def test_meaningless_wish_is_refused_by_name(header: bytes, value: bytes) -> None:
    """A limit that was meant and not understood must not be dropped."""
    verdict = read_wishes([(header, value)])
    assert isinstance(verdict, Refusal)
    assert verdict.code is RefusalCode.BAD_REQUEST
    assert header.decode() in verdict.message


def test_labels_of_a_key_are_checked_when_it_is_made() -> None:
    """Unknown names and unfit values are refused; blanks are taken off."""
    assert declared_labels({"team": " ml "}) == {"team": "ml"}
    for labels in ({"user": "x"}, {"team": ""}, {"team": "a\nb"}, {"team": "x" * 129}):
        assert isinstance(declared_labels(labels), Refusal)
