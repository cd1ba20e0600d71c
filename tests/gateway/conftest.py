"""One running Tollhouse for all tests of the gateway in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dead_ends import DeadEnds
from stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Tollhouse with its simulated provider, as `tollhouse up --demo` starts it, with short deadlines.

    The default workspace has the dead ends as providers besides.
    """
    dead_ends = DeadEnds()
    environment = {
        "TOLLHOUSE_SECURITY_CONTACT": "security@example.com",
        "TOLLHOUSE_LIMITS_CONNECT_TIMEOUT_S": "1.5",
        "TOLLHOUSE_LIMITS_FIRST_BYTE_TIMEOUT_S": "3",
        "TOLLHOUSE_LIMITS_IDLE_TIMEOUT_S": "2",
        "TOLLHOUSE_LIMITS_HEAD_TIMEOUT_S": "2",
        "TOLLHOUSE_LIMITS_BODY_TIMEOUT_S": "4",
        "TOLLHOUSE_LIMITS_DRAIN_TIMEOUT_S": "4",
        "TOLLHOUSE_LIMITS_BODY_BYTES_MAX": str(2 * 1024 * 1024),
        **dead_ends.environment(),
    }
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), environment=environment)
        try:
            yield stack.start()
        finally:
            stack.stop()
            dead_ends.close()
