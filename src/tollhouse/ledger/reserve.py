"""Space set aside, so that calls which are open when the disk fills can still be closed.

A file whose blocks are really allocated lies beside the segments. When a closing finds the disk full, a step is cut
off the file's end and the closing is tried again: a small step, so that what is freed goes to the closing and little of
it to whoever else fills the disk. Not preallocated segments: those would take the space of whole segments from
every worker and put zeros where readers expect entries.

Never used for opening a call.
"""

from __future__ import annotations

import os
from pathlib import Path

STEP_BYTES = 64 * 1024


class Reserve:
    """One worker's reserve of `size` bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def left(self) -> int:
        """Bytes set aside now."""
        return os.fstat(self._descriptor).st_size

    def fill(self) -> None:
        """Allocate what is missing; OSError if there is no space for it."""
        if self._size > self.left:
            os.posix_fallocate(self._descriptor, 0, self._size)

    def release_step(self) -> bool:
        """Give a step back to the file system; False if nothing is left."""
        left = self.left
        if not left:
            return False
        os.ftruncate(self._descriptor, max(0, left - STEP_BYTES))
        return True

    def close(self) -> None:
        """Let go of the file; it stays."""
        os.close(self._descriptor)
