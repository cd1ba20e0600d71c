"""Usage objects keep numbers and nesting, and nothing else can travel in them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.wire.usage import DEPTH_MAX, LEAVES_MAX, NUMBER_MAX, bounded_usage


def count_and_depth(value: object) -> tuple[int, int]:
    """Leaves and levels."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return 1, 0
    found = [count_and_depth(item) for item in inner]
    return sum(leaves for leaves, _ in found), 1 + max((depth for _, depth in found), default=0)


def test_numbers_nesting_and_known_words_stay() -> None:
    """Given a usage object, when bounded, then counts, costs, flags and known words stay; text and nulls go."""
    usage = {
        "prompt_tokens": 3,
        "cost": 1.5e-05,
        "is_byok": True,
        "queue": None,
        "search_context_size": "low",
        "service_tier": "standard",
        "inference_geo": "a secret sentence",
        "details": [{"modality": "TEXT", "tokenCount": 3, "text": "secret"}, {}, "secret", 7],
        "bad key": 1,
        "empty": {},
    }
    assert bounded_usage(usage) == (
        {
            "prompt_tokens": 3,
            "cost": 1.5e-05,
            "is_byok": True,
            "service_tier": "standard",
            "details": [{"modality": "TEXT", "tokenCount": 3}, 7],
        },
        False,
    )


def test_totals_are_not_pushed_out_by_details() -> None:
    """Given more leaves than are kept, when bounded, then the totals behind the details stay, and the cut is told."""
    usage = {"iterations": [{"a": 1, "b": 2} for _ in range(500)], "output_tokens": 9}
    kept, cut = bounded_usage(usage)
    assert kept is not None
    assert cut
    assert kept["output_tokens"] == 9
    assert count_and_depth(kept)[0] == LEAVES_MAX


def test_no_number_is_too_large_for_the_ledger() -> None:
    """Given numbers that count nothing, when bounded, then they are dropped, and that is told."""
    assert bounded_usage({"a": NUMBER_MAX, "b": NUMBER_MAX + 1, "c": -(10**30), "d": 1e300}) == (
        {"a": NUMBER_MAX},
        True,
    )


def test_what_is_no_object_is_none() -> None:
    """Given anything but an object, when bounded, then there is no usage."""
    assert [bounded_usage(value) for value in (None, [], 3, "x")] == [(None, False)] * 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text("ab_ .é", max_size=70), inner, max_size=8),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(["model", "type", "ttl"]), JSON, max_size=8))
def test_bounds_hold_for_any_object(usage: dict[str, object]) -> None:
    """Given any object, when bounded, then all is within bounds, and bounding again changes nothing."""
    kept, _ = bounded_usage(usage)
    assert kept is not None
    leaves, depth = count_and_depth(kept)
    assert leaves <= LEAVES_MAX
    assert depth <= DEPTH_MAX
    assert bounded_usage(kept) == (kept, False)
