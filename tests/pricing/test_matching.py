"""Names under which a model may stand in the book, and the traps of looser matching."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tollhouse.pricing.matching import candidates
from tollhouse.pricing.model import Price
from tollhouse.pricing.rules import PriceBook

MakeRow = Callable[..., Price]


@pytest.mark.parametrize(
    ("used", "row_model"),
    [
        ("claude-opus-5", "claude-opus-5"),
        ("claude-opus-5-20250930", "claude-opus-5"),
        ("claude-opus-5-2025-09-30", "claude-opus-5"),
        ("claude-opus-5@20250930", "claude-opus-5"),
        ("claude-opus-5-5", None),
        ("claude-opus-5-20251399", None),
        ("claude-opus-5-v1:0", None),
        ("claude-opus", None),
        ("us.claude-opus-5", None),
        ("xclaude-opus-5", None),
        ("claude-opus-5-latest", None),
        ("", None),
    ],
)
def test_only_a_date_is_taken_off(row: MakeRow, used: str, row_model: str | None) -> None:
    """A longer or shorter name is another model."""
    found = PriceBook.build("v", [row("claude-opus-5")]).find("p", used)
    assert (found.model if found else None) == row_model


def test_a_dated_id_with_a_row_of_its_own_goes_first(row: MakeRow) -> None:
    """A snapshot can have its own price."""
    book = PriceBook.build("v", [row("gpt"), row("gpt-2024-05-13")])
    assert [book.find("p", name).model for name in ("gpt-2024-05-13", "gpt-2024-08-06")] == ["gpt-2024-05-13", "gpt"]


def test_exact_goes_before_an_alias_and_an_alias_before_the_undated_id(row: MakeRow) -> None:
    """The order of §2.1: exact, alias, without its date."""
    aliases = {("p", "a"): "b", ("p", "a-20250101"): "c"}
    book = PriceBook.build("v", [row("a"), row("b"), row("c")], aliases)
    assert [book.find("p", name).model for name in ("a", "a-20250101", "a-20250202")] == ["a", "c", "a"]


def test_a_deployment_is_priced_by_its_base_model(row: MakeRow) -> None:
    """A deployment's name says nothing; its configured base model does, dated or not."""
    aliases = {("p", "prod"): "m", ("p", "dated"): "m-2025-01-01", ("p", "lost"): "unknown"}
    book = PriceBook.build("v", [row("m")], aliases)
    assert [book.find("p", name) is not None for name in ("prod", "dated", "lost", "other")] == [
        True,
        True,
        False,
        False,
    ]


def test_an_alias_belongs_to_its_provider(row: MakeRow) -> None:
    """Another provider's alias does not count."""
    book = PriceBook.build("v", [row("m"), row("m", id="q/m", provider="q")], {("p", "prod"): "m"})
    assert book.find("q", "prod") is None


@pytest.mark.parametrize(
    ("used", "region"),
    [
        ("anthropic.claude-opus-5", "general"),
        ("anthropic.claude-opus-5-20250930-v1:0", "general"),
        ("us.anthropic.claude-opus-5-20250930-v1:0", "us"),
        ("eu.anthropic.claude-opus-5-v1", "general"),
        ("global.anthropic.claude-opus-5-20250930-v1:0", "general"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-20250930-v1:0", "us"),
        ("us.anthropic.claude-opus-5-5-v1:0", None),
        ("zz.anthropic.claude-opus-5", None),
    ],
)
def test_bedrock_names_lose_region_and_version(row: MakeRow, used: str, region: str | None) -> None:
    """A profile's region selects the region's row where there is one, else the general one."""
    model = "anthropic.claude-opus-5"
    rows = [row(model, id="general", provider="bedrock"), row(model, id="us", provider="bedrock", region="us")]
    found = PriceBook.build("v", rows).find("bedrock", used)
    assert (found.id if found else None) == region


def test_candidates_keep_the_given_name_first() -> None:
    """Exact is always tried first."""
    assert candidates("p", "m-20250101") == [("m-20250101", None), ("m", None)]
    assert candidates("bedrock", "us.a.m-v1:0")[0] == ("us.a.m-v1:0", None)
