"""The server as a process: found, stopped, told apart from strangers, and its last words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.binaries import find_installation, reachable_installation, server_account
from tollhouse.storage.server_process import (
    SETTINGS,
    SOCKET_PATH_BYTES_MAX,
    ServerPlace,
    hand_over,
    is_alive,
    log_tail,
    make_cluster,
    running_server,
    socket_directory,
    stop_server,
)

DEAF = "import signal, time; signal.signal({number}, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def deaf() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not hear the order for a fast shutdown."""
    with started(DEAF.format(number="signal.SIGINT")) as process:
        assert process.stdout is not None and process.stdout.readline() == b"deaf\n"
        yield process
        process.kill()


def started(code: str) -> subprocess.Popen[bytes]:
    """A Python that runs it."""
    # A suite that a shell started in the background ignores these signals, and so would what it starts.
    heard = "import signal; [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGQUIT)]; "
    return subprocess.Popen([sys.executable, "-c", heard + code], stdout=subprocess.PIPE, start_new_session=True)


def test_no_pid_file_means_no_server(tmp_path: Path) -> None:
    """Nor does one that holds no number."""
    assert running_server(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text("")
    assert running_server(tmp_path) is None


def test_a_stranger_is_not_taken_for_the_server(tmp_path: Path, deaf: subprocess.Popen[bytes]) -> None:
    """Not ourselves, nobody dead, nobody who works elsewhere; the stale file goes, for it would hinder a start."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for number in (os.getpid(), deaf.pid, ended.pid):
        (tmp_path / "postmaster.pid").write_text(f"{number}\n{tmp_path}\n")
        assert running_server(tmp_path) is None
        assert not (tmp_path / "postmaster.pid").exists()


def test_a_process_that_works_in_the_database_is_the_server(tmp_path: Path) -> None:
    """PostgreSQL makes the database its working directory."""
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as server:
        (tmp_path / "postmaster.pid").write_text(f"{server.pid}\n{tmp_path}\n")
        assert running_server(tmp_path) == server.pid
        server.kill()


def test_stopping_goes_on_to_what_is_heard(deaf: subprocess.Popen[bytes]) -> None:
    """First fast, then at once."""
    stop_server(deaf.pid, deaf, timeout_s=2.0)
    assert deaf.returncode == -signal.SIGQUIT


def test_a_server_that_hears_nothing_is_an_error() -> None:
    """It is not killed: that is for a person to decide."""
    deafer = "import signal; signal.signal(signal.SIGQUIT, signal.SIG_IGN); " + DEAF.format(number="signal.SIGINT")
    with started(deafer) as process:
        assert process.stdout is not None and process.stdout.readline() == b"deaf\n"
        with pytest.raises(StorageError, match=f"process {process.pid}, does not stop"):
            stop_server(process.pid, process, timeout_s=0.1)
        assert is_alive(process.pid, process)
        process.kill()


def test_stopping_who_is_gone_does_nothing() -> None:
    """And it is not alive, whether or not it was ours."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    stop_server(process.pid, None)
    assert not is_alive(process.pid, None)
    assert not is_alive(process.pid, process)


def test_who_has_ended_and_was_not_reaped_is_not_alive() -> None:
    """It would stay so for good where process 1 of a container reaps nobody."""
    with subprocess.Popen(["true"]) as process:
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        assert not is_alive(process.pid, None)


def test_the_last_words_of_a_log(tmp_path: Path) -> None:
    """Its last lines, or why they cannot be told."""
    log = tmp_path / "database.log"
    assert "cannot be read: [Errno 2]" in log_tail(log)
    log.touch()
    assert log_tail(log) == "it said nothing"
    log.write_bytes(b"x" * 5000 + b"\none\n\n two\nthree\n\xff\nfive\n")
    assert log_tail(log) == "two | three | \ufffd | five"


def test_sockets_lie_in_the_data_directory(tmp_path: Path) -> None:
    """Private, and the same at every start."""
    account = server_account(tmp_path)
    place = socket_directory(tmp_path, account)
    assert place == tmp_path / "run"
    assert socket_directory(tmp_path, account) == place
    assert place.stat().st_mode & 0o777 == 0o700


def test_sockets_of_a_long_path_lie_elsewhere(tmp_path: Path) -> None:
    """The place is remembered; one that was taken away, or put there as a link, is not used."""
    data_dir = tmp_path / ("long-" * 20)
    data_dir.mkdir()
    place = socket_directory(data_dir, None)
    assert len(os.fsencode(place / ".s.PGSQL.5432")) < SOCKET_PATH_BYTES_MAX
    assert place.stat().st_mode & 0o777 == 0o700
    assert socket_directory(data_dir, None) == place
    place.rmdir()
    place.symlink_to(tmp_path)
    other = socket_directory(data_dir, None)
    assert other != place
    place.unlink()
    other.rmdir()


def test_a_database_that_cannot_be_made_is_told_in_initdbs_words(tmp_path: Path) -> None:
    """The first password is gone from the disk all the same."""
    account = server_account(tmp_path)
    database = tmp_path / "database"
    database.mkdir(mode=0o700)
    (database / "thesis.txt").write_text("mine")
    hand_over(database, account)
    programs = reachable_installation(find_installation(), account) / "bin"
    sockets = socket_directory(tmp_path, account)
    place = ServerPlace(
        programs=programs, database=database, sockets=sockets, log=tmp_path / "database.log", account=account
    )
    with pytest.raises(StorageError, match=r"could not be made in .*database: .*exists but is not empty") as caught:
        make_cluster(place, "a-first-password", "postgres")
    assert "a-first-password" not in str(caught.value)
    assert list(sockets.iterdir()) == []


def test_no_statement_and_no_address_reach_the_outside() -> None:
    """The server listens on no address, and its log quotes neither statements nor rows."""
    assert SETTINGS["listen_addresses"] == ""
    assert SETTINGS["log_min_error_statement"] == "panic"
    assert SETTINGS["log_error_verbosity"] == "terse"
