"""`tollhouse prices show`: the book that comes with the package."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tollhouse.cli.group.prices import period


def test_every_tier_of_a_model(bare: Any) -> None:
    """Amounts as the book keeps them, with its version and where each is from."""
    done = bare("prices", "show", "gpt-4o-mini", "--provider", "openai", "--json")
    rows = {row["price"]["tier"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["standard"]["price"]["rates_nano_usd_per_million"]["input"] == 150_000_000
    assert rows["standard"]["price"]["source"]
    assert {row["book_version"] for row in rows.values()} == {rows["standard"]["book_version"]}


def test_for_people(bare: Any) -> None:
    """USD as a person reads it."""
    done = bare("prices", "show", "gpt-4o-mini")
    assert done.exit_code == 0
    assert "openai gpt-4o-mini (standard)" in done.stdout
    assert "input   0.15\n" in done.stdout


def test_unknown_model(bare: Any) -> None:
    """No neighbour's price is shown."""
    done = bare("prices", "show", "gpt-4o-minimal", "--provider", "openai")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no price for 'gpt-4o-minimal' of openai" in done.stderr


def test_a_moment(bare: Any) -> None:
    """One that is no moment is wrong usage."""
    assert bare("prices", "show", "gpt-4o-mini", "--at", "2026-10-01").exit_code == 0
    assert bare("prices", "show", "gpt-4o-mini", "--at", "soon").exit_code == 2


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (None, None, "at all times"),
        (datetime(2026, 1, 1, tzinfo=UTC), None, "from 2026-01-01"),
        (None, datetime(2026, 3, 1, tzinfo=UTC), "until 2026-03-01"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), "from 2026-01-01 until 2026-03-01"),
    ],
)
def test_when_a_price_holds(begin: datetime | None, end: datetime | None, words: str) -> None:
    """An end that is open is left out."""
    assert period(begin, end) == words
