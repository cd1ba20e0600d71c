"""How tasks that would go on for ever are ended.

Until Python 3.12, `asyncio.wait_for`, which the database driver's pool waits with, can swallow a cancellation that
comes together with what was waited for: one order to end may go unheard, and is given again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 2.0
"""Long enough for what a task tidies up when it is ended."""


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels until all are done. What they raise is their own matter: whoever ends them is not waiting for it."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()
