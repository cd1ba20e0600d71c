"""Files of a journal: where they lie, what they are called, who holds them.

`<data_dir>/journal/<worker-instance-id>/` has numbered segments, `lock`, `reserve`, `shipped` (the cursor) and,
if there was cause, `rejected.jsonl`. Whoever holds the lock owns the directory: its worker for life, afterwards one
recovery at a time. A directory comes into being complete and locked, by a rename, so that no recovery can find one
whose worker has yet to take the lock.

Never reads or writes an entry.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

from tollhouse.kernel.errors import JournalError
from tollhouse.ledger import journal_format

LOCK_NAME = "lock"
RESERVE_NAME = "reserve"
CURSOR_NAME = "shipped"
REJECTED_NAME = "rejected.jsonl"
REJECTED_FOLDER = ".rejected"

_INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SEGMENT_NAME = re.compile(r"([0-9]{10})\.segment")


def journal_root(data_dir: Path) -> Path:
    """The folder of all journals of this host."""
    return data_dir / "journal"


def create_directory(data_dir: Path, instance_id: str) -> tuple[Path, int]:
    """A new journal's directory and the descriptor that holds its lock. JournalError if the id is bad or in use."""
    if _INSTANCE_ID.fullmatch(instance_id) is None:
        raise JournalError("a worker's instance id has 1 to 100 letters, digits, '-' and '_'")
    root = journal_root(data_dir)
    directory, nascent = root / instance_id, root / f".{instance_id}.new"
    if directory.exists():
        raise JournalError(f"the journal {directory} is there already; every start of a worker needs an id of its own")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        nascent.mkdir(mode=0o700)
        lock = take_lock(nascent)
        if lock is None:
            raise JournalError(f"the journal {instance_id} is being made by another process")
        nascent.rename(directory)
        sync_directory(root)
    except OSError as error:
        raise JournalError(f"cannot make the journal {directory}: {error.strerror}") from error
    return directory, lock


def take_lock(directory: Path) -> int | None:
    """The descriptor that holds a directory's lock until it is closed; None if another has it or the directory has
    gone meanwhile. Descriptors are not inherited over exec; do not fork while holding one."""
    path = directory / LOCK_NAME
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(path).st_ino == os.fstat(lock).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass  # held by its worker, or removed by another recovery between open and flock: not ours either way
    os.close(lock)
    return None


def journal_directories(data_dir: Path) -> list[Path]:
    """All journals of this host, in order of name."""
    root = journal_root(data_dir)
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if _INSTANCE_ID.fullmatch(path.name) and path.is_dir())


def segment_path(directory: Path, number: int) -> Path:
    """Where a segment lies."""
    return directory / f"{number:010d}.segment"


def segment_numbers(directory: Path) -> list[int]:
    """The segments that are there, ascending."""
    matches = (_SEGMENT_NAME.fullmatch(name) for name in os.listdir(directory))
    return sorted(int(match[1]) for match in matches if match is not None)


def create_segment(directory: Path, number: int) -> int:
    """A descriptor to append to a new segment, its header written. OSError if that cannot be done; then the file is
    not there."""
    path = segment_path(directory, number)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        write_whole(descriptor, journal_format.header(journal_format.journal_id(directory.name), number))
    except OSError:
        os.close(descriptor)
        path.unlink()
        raise
    return descriptor


def write_whole(descriptor: int, data: bytes) -> None:
    """One write; OSError if it was not taken whole."""
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
