"""The live view of `tollhouse up`: a line for every call as it enters the ledger.

A database that is away is waited for: the workers say so in their log and metrics; here, calls simply appear later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from tollhouse.bootstrap.reach import open_reach
from tollhouse.kernel.errors import StorageError
from tollhouse.ledger.line import call_line
from tollhouse.storage.postgres import DatabaseUrls

AWAY_PAUSE_S = 1.0
LINES_MAX = 20
"""At each look, per workspace. Under load the view is a sample; `tollhouse calls tail` shows every call."""


async def follow_calls(urls: DatabaseUrls, say: Callable[[str], None]) -> None:
    """Follows the ledger of all workspaces from now on, until cancelled; says a line a call."""
    began = datetime.now(UTC)
    while True:
        try:
            async with open_reach(urls, None) as reach:
                async for row in reach.follow(began, patient=True, at_most=LINES_MAX):
                    say(call_line(row))
        except StorageError:
            # Away before anything could be followed: nothing has been said, so beginning again repeats nothing.
            await asyncio.sleep(AWAY_PAUSE_S)
