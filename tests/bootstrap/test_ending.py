"""Tasks are ended, also those that do not hear of it at once."""

from __future__ import annotations

import asyncio

import pytest

from tollhouse.bootstrap.ending import end_tasks

pytestmark = pytest.mark.anyio


async def test_an_order_that_went_unheard_is_given_again() -> None:
    """As where a driver swallows the first."""
    heard: list[int] = []

    async def hard_of_hearing() -> None:
        for attempt in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard.append(attempt)
                if attempt:
                    raise

    task = asyncio.create_task(hard_of_hearing())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert task.cancelled()
    assert heard == [0, 1]


async def test_who_has_ended_already_hinders_nobody() -> None:
    """By itself or by a failure; no task at all is none to wait for."""

    async def fail() -> None:
        raise ValueError("its own matter")

    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0.01)
    await end_tasks(tasks)
    assert [task.done() for task in tasks] == [True, True, True]
    await end_tasks([])
