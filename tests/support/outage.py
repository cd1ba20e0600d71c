"""Outage: the embedded database of a running stack, killed and kept from starting for a while."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from stack import Stack


@contextmanager
def database_away(stack: Stack) -> Iterator[None]:
    """Kills the server and hides what it cannot start without; inside, the supervisor tries in vain. Afterwards it
    will succeed, by itself."""
    database = stack.data_dir / "database"
    control, hidden = database / "global" / "pg_control", database / "global" / "pg_control.hidden"
    pid = int((database / "postmaster.pid").read_text().split("\n", 1)[0])
    control.rename(hidden)
    os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        hidden.rename(control)
