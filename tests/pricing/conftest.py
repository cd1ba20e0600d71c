"""Fixtures of the room: the package's book, and rows made in a line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tollhouse.pricing.book_file import load_package_book
from tollhouse.pricing.model import Price
from tollhouse.pricing.rules import PriceBook


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The book that comes with the package."""
    return load_package_book()


@pytest.fixture
def row() -> Callable[..., Price]:
    """Makes a row; rates in nano-USD per million."""

    def make(model: str = "m", **fields: object) -> Price:
        given = {"id": model, "provider": "p", "model": model, "rates": {"input": 2_000_000_000, "output": 10**10}}
        return Price(**{**given, "source": "test", "retrieved": "2026-11-21", **fields})

    return make
