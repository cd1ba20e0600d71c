"""Finding the server that another process runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from tollhouse.storage.attached import has_database, running_database


def test_a_running_server_is_found(postgres_cluster: Any) -> None:
    """With the owner's password."""
    url = running_database(postgres_cluster.server.data_dir)
    assert url is not None
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("tollhouse",)
    assert has_database(postgres_cluster.server.data_dir)


def test_an_empty_directory(tmp_path: Path) -> None:
    """Has none, and gets nothing."""
    assert not has_database(tmp_path)
    assert running_database(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_nobody_answers(tmp_path: Path) -> None:
    """As a killed server leaves it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".s.PGSQL.5432").touch()
    (tmp_path / "database-secret").write_text("ab" * 32)
    assert running_database(tmp_path) is None


def test_a_remembered_directory(postgres_cluster: Any, tmp_path: Path) -> None:
    """Where the data directory's own path is too long for a socket."""
    server = postgres_cluster.server.data_dir
    sockets = psycopg.conninfo.conninfo_to_dict(postgres_cluster.owner_dsn)["host"]
    (tmp_path / "socket-directory").write_text(str(sockets))
    (tmp_path / "database-secret").write_text((server / "database-secret").read_text())
    assert running_database(tmp_path) is not None
