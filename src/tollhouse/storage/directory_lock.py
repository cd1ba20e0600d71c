"""One owner per data directory: an advisory lock on a file, held for life, that names its holder.

Rules: the kernel drops the lock when its holder dies, so a stale file never blocks. Children do not inherit it.
Never: waits; deletes the file, since another may just be opening it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tollhouse.kernel.errors import StorageError

LOCK_FILE = "database.lock"


class DirectoryLock:
    """Taken by `acquire`, dropped by `release` or by the end of the process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """StorageError naming the holder's process if somebody else has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StorageError(
                f"the data directory {self._path.parent} is in use by process {holder}: "
                "stop that one, or choose another with --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Does nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
