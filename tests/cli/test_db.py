"""`tollhouse db migrate`, and commands over a database that was not migrated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tollhouse.cli import make_application

NAME = "cli_unmigrated"


@pytest.fixture
def unmigrated(postgres_cluster: Any, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of an empty database."""
    url = postgres_cluster.create_database(NAME)
    secret = postgres_cluster.secret.reveal().hex()
    yield {"DATABASE_URL": url, "TOLLHOUSE_DATABASE_SECRET": secret, "TOLLHOUSE_DATA_DIR": str(tmp_path)}
    postgres_cluster.drop_database(NAME)


def test_migrate_brings_it_up_to_date(unmigrated: dict[str, str]) -> None:
    """Before, other commands say what to do; a second time there is nothing to apply."""

    def run(*arguments: str) -> Any:
        return CliRunner(env=unmigrated).invoke(make_application(), list(arguments))

    before = run("calls", "list")
    assert (before.exit_code, before.stderr) == (
        1,
        "tollhouse: the database is older than this Tollhouse: run 'tollhouse db migrate'\n",
    )
    assert json.loads(run("db", "migrate", "--json").stdout)["applied"][0] == "0001_pre_foundation.sql"
    assert run("db", "migrate").stdout == "the database is up to date\n"
    assert run("calls", "list").exit_code == 0
