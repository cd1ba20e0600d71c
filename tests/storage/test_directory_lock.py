"""The lock on a data directory: one holder, who is named, and none after a death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.directory_lock import LOCK_FILE, DirectoryLock

HOLDER = """
import sys
from pathlib import Path
from tollhouse.storage.directory_lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> DirectoryLock:
    """Not yet taken."""
    return DirectoryLock(tmp_path)


def test_a_second_taker_is_told_who_holds_it(lock: DirectoryLock, tmp_path: Path) -> None:
    """By process id, and what to do; it is free once it is released."""
    lock.acquire()
    second = DirectoryLock(tmp_path)
    with pytest.raises(StorageError, match=f"in use by process {os.getpid()}: stop that one"):
        second.acquire()
    lock.release()
    second.acquire()
    second.release()


def test_releasing_what_is_not_held_does_nothing(lock: DirectoryLock, tmp_path: Path) -> None:
    """Before it was taken, and twice after."""
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()
    assert (tmp_path / LOCK_FILE).exists(), "another may just be opening it"


def test_the_lock_of_a_killed_process_does_not_block(lock: DirectoryLock, tmp_path: Path) -> None:
    """Its file stays and names the dead one; while it lives, it is named."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match=f"in use by process {holder.pid}:"):
            lock.acquire()
        holder.kill()
    assert (tmp_path / LOCK_FILE).read_text() == f"{holder.pid}\n"
    lock.acquire()
    assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_children_do_not_inherit_it(lock: DirectoryLock, tmp_path: Path) -> None:
    """A child that lives on does not keep it, even one that gets every descriptor."""
    lock.acquire()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        second = DirectoryLock(tmp_path)
        second.acquire()
        second.release()
        child.kill()


def test_a_file_that_names_nobody_is_said_to_be_of_somebody_unknown(lock: DirectoryLock, tmp_path: Path) -> None:
    """The moment between taking the lock and writing the number."""
    lock.acquire()
    (tmp_path / LOCK_FILE).write_bytes(b"")
    with pytest.raises(StorageError, match="in use by process unknown"):
        DirectoryLock(tmp_path).acquire()
    lock.release()
