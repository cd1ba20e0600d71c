"""The embedded server on real directories: made once, locked, adopted, recovered, and clear about what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.embedded import EmbeddedPostgres

OWNER_THAT_IS_KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from tollhouse.storage.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
with psycopg.connect(server.start(), autocommit=True) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose database is made and stopped: copied by tests that start from one."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.stop()
    return data_dir


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy with its owners kept; whatever still runs over it is stopped at the end."""
    copy = tmp_path / "data"
    subprocess.run(["cp", "-a", str(made), str(copy)], check=True)
    yield copy
    pid_file = copy / "database" / "postmaster.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)


def ask(dsn: str, question: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_first_start_makes_the_database_and_says_so(tmp_path: Path) -> None:
    """Also where the parents are closed to everybody else, and where a killed start left half a database."""
    data_dir = tmp_path / "private" / "data"
    (data_dir / "database.unfinished").mkdir(parents=True)
    (data_dir / "database.unfinished" / "half").touch()
    (tmp_path / "private").chmod(0o700)
    told: list[str] = []
    server = EmbeddedPostgres(data_dir)
    dsn = server.start(told.append)
    try:
        assert told == ["making the database (once)"]
        assert ask(dsn, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert ask(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert ask(dsn, "SHOW listen_addresses") == ""
        assert ask(dsn, "SHOW server_encoding") == "UTF8"
        assert ask(dsn, "SHOW synchronous_commit") == "on"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(dsn, password="wrong")
    finally:
        server.stop()
    assert not (data_dir / "database.unfinished").exists()
    assert (data_dir / "database-secret").stat().st_mode & 0o777 == 0o600


def test_it_starts_again_with_what_was_there(data_dir: Path) -> None:
    """Stopping is orderly; starting a running one is no error; stopping twice neither."""
    server = EmbeddedPostgres(data_dir)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    server.stop()
    server.stop()
    assert not server.is_running()
    dsn = server.start()
    assert server.start() == dsn
    assert ask(dsn, "SELECT value FROM kept") == 7
    server.stop()
    assert not (data_dir / "database" / "postmaster.pid").exists()


def test_a_second_owner_is_told_who_is_the_first(data_dir: Path) -> None:
    """The lock names the process, and is free again after a stop."""
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    first.start()
    with pytest.raises(StorageError, match=f"in use by process {os.getpid()}"):
        second.start()
    assert first.is_running()
    first.stop()
    second.start()
    second.stop()


def test_the_server_of_a_killed_owner_is_adopted(data_dir: Path) -> None:
    """It goes on with the same process and the same data, and can be stopped by its new owner."""
    owner = subprocess.run(
        [sys.executable, "-c", OWNER_THAT_IS_KILLED, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    told: list[str] = []
    server = EmbeddedPostgres(data_dir)
    dsn = server.start(told.append)
    assert server.pid == int(owner.stdout)
    assert "adopting" in told[0]
    assert ask(dsn, "SELECT value FROM kept") == 7
    server.stop()
    assert not (data_dir / "database" / "postmaster.pid").exists()


def test_a_killed_server_recovers_what_was_committed(data_dir: Path) -> None:
    """`kill -9` of the server is noticed, and the next start replays its log."""
    server = EmbeddedPostgres(data_dir)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.is_running():
        pass
    assert ask(server.start(), "SELECT value FROM kept") == 7
    server.stop()


def test_a_pid_file_that_names_a_stranger_does_not_hinder(data_dir: Path) -> None:
    """Process numbers are used again; after a crash the file may name anybody."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (data_dir / "database" / "postmaster.pid").write_text(f"{stranger.pid}\n{data_dir}\n0\n5432\n\n\n")
        server = EmbeddedPostgres(data_dir)
        server.start()
        server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupt_of_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    """It has a session of its own."""
    server = EmbeddedPostgres(data_dir)
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid
    server.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(made: Path, tmp_path: Path) -> None:
    """Private to the server's account, and gone after a stop."""
    data_dir = tmp_path / ("long-" * 20) / "data"
    data_dir.parent.mkdir()
    subprocess.run(["cp", "-a", str(made), str(data_dir)], check=True)
    for _ in range(2):
        server = EmbeddedPostgres(data_dir)
        dsn = server.start()
        directory = Path(str(psycopg.conninfo.conninfo_to_dict(dsn)["host"]))
        assert directory.stat().st_mode & 0o777 == 0o700
        assert ask(dsn, "SELECT 1") == 1
        server.stop()
        assert not directory.exists()


def test_another_major_version_is_not_touched(data_dir: Path) -> None:
    """The message says which, and what to do."""
    (data_dir / "database" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StorageError, match=r"made by PostgreSQL 17.* pg_dump"):
        EmbeddedPostgres(data_dir).start()


def test_a_directory_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    """Somebody's files are not taken for a database."""
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="is not a PostgreSQL database"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "database" / "thesis.txt").read_text() == "mine"


def test_the_wrong_secret_is_named(data_dir: Path) -> None:
    """A restored directory without its secret cannot be opened, and says so."""
    (data_dir / "database-secret").write_text("ab" * 32)
    with pytest.raises(StorageError, match="put back the file database-secret"):
        EmbeddedPostgres(data_dir).start()
    assert not (data_dir / "database" / "postmaster.pid").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_is_named_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is free and what is needed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(StorageError, match=r"no disk space for the database: .* has 5 MiB free and needs 256 MiB"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert not (tmp_path / "data" / "database").exists()


def test_a_setting_that_the_server_refuses_is_told_in_its_words(data_dir: Path) -> None:
    """The end of the server's log is in the error, and the lock is free again."""
    with pytest.raises(StorageError, match=r"did not start: .*shared_buffers"):
        EmbeddedPostgres(data_dir, {"shared_buffers": "much"}).start()
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.stop()
