"""How a command comes to the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tollhouse.bootstrap.reach import Reach
from tollhouse.cli.command import Everywhere, InWorkspace
from tollhouse.cli.database import with_database, with_reach
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.storage.postgres import DatabaseUrls


@pytest.fixture(autouse=True)
def found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's database, as the environment names it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_work_is_given_the_urls(database: DatabaseUrls) -> None:
    """And what it makes of them is the result."""

    async def work(urls: DatabaseUrls) -> bool:
        return urls == database

    assert with_database(Everywhere(), work) is True


def test_work_is_given_the_workspaces() -> None:
    """All, or the one that the options name."""

    async def work(reach: Reach) -> list[str]:
        return sorted(reach.names.values())

    assert with_reach(InWorkspace(), work) == ["default"]
    assert with_reach(InWorkspace(workspace="default"), work) == ["default"]
    with pytest.raises(ConfigError, match="there is no workspace"):
        with_reach(InWorkspace(workspace="none"), work)


def test_a_database_that_is_away(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Is an error of its own kind, so that the command says one line."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secretword@127.0.0.1:1/t")

    async def work(urls: Any) -> None:
        raise AssertionError("not reached")

    with pytest.raises(StorageError) as caught:
        with_database(Everywhere(), work)
    assert "secretword" not in str(caught.value)
