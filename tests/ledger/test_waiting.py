"""Telling those who wait in an event loop, from a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from tollhouse.ledger.waiting import Waiter, tell

pytestmark = pytest.mark.anyio


async def outcome_of(future: Awaitable[None]) -> str:
    """What whoever waited was told."""
    try:
        await asyncio.wait_for(future, 5)
    except LookupError:
        return "problem"
    return "done"


async def test_all_are_told_in_their_own_loop() -> None:
    """Done or the problem; who has given up, and whose loop has ended, hinders nobody."""
    loop = asyncio.get_running_loop()
    ended = asyncio.new_event_loop()
    ended.close()
    for problem, told in ((None, "done"), (LookupError(), "problem")):
        futures = [loop.create_future() for _ in range(3)]
        futures[1].cancel()
        waiters: list[Waiter] = [(loop, future) for future in futures]
        waiters.insert(1, (ended, loop.create_future()))
        await asyncio.to_thread(tell, waiters, problem)
        assert [await outcome_of(futures[0]), await outcome_of(futures[2])] == [told, told]
