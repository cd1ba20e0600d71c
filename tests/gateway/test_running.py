"""Stepping a call's coroutine: where it waits, who runs it on, and what cancelling does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tollhouse.gateway.running import Pause, Running
from walking import walked

pytestmark = pytest.mark.anyio


class Diary:
    """What a coroutine did, in order; `walk` waits for each of the things it is given."""

    def __init__(self) -> None:
        self.notes: list[object] = []

    async def walk(self, *places: Callable[[], Awaitable[Any]]) -> None:
        """Notes the beginning, what came of each wait, and how it ended."""
        self.notes.append("begun")
        try:
            for place in places:
                self.notes.append(await place())
        except BaseException as error:
            self.notes.append(type(error))
            raise
        self.notes.append("ended")

    def running(self, *places: Callable[[], Awaitable[Any]]) -> Running:
        """It, stepped once."""
        running = Running(self.walk(*places))
        running.step()
        return running


async def at(pause: Pause) -> None:
    """Waits there."""
    await pause


@pytest.fixture
def diary() -> Diary:
    """An empty one."""
    return Diary()


async def test_a_pause_resumes_who_waits_there_at_once(diary: Diary) -> None:
    """Before `resume` returns, up to the next wait; the same pause serves again and again."""
    pause = Pause()
    diary.running(lambda: at(pause), lambda: at(pause))
    assert diary.notes == ["begun"]
    pause.resume()
    assert diary.notes == ["begun", None]
    pause.resume()
    assert diary.notes == ["begun", None, None, "ended"]


async def test_resuming_where_nobody_waits_does_nothing(diary: Diary) -> None:
    """Neither before anybody came, nor after the last one went on; and nothing is kept for who comes later."""
    pause = Pause()
    pause.resume()
    diary.running(lambda: at(pause))
    assert diary.notes == ["begun"]
    pause.resume()
    pause.resume()
    assert diary.notes == ["begun", None, "ended"]


async def test_a_future_and_a_turn_of_the_loop_can_be_waited_for(diary: Diary) -> None:
    """As a task would: its result comes back, and `asyncio.sleep` with and without a time."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    diary.running(lambda: future, lambda: asyncio.sleep(0, "turn"), lambda: asyncio.sleep(0.001, "slept"))
    await asyncio.sleep(0)
    assert diary.notes == ["begun"]
    future.set_result("came")
    await asyncio.sleep(0)
    assert diary.notes == ["begun", "came"]
    await asyncio.sleep(0)
    assert diary.notes == ["begun", "came", "turn"]
    await asyncio.sleep(0.05)
    assert diary.notes == ["begun", "came", "turn", "slept", "ended"]


async def test_the_error_of_a_future_is_raised_where_it_was_waited_for(diary: Diary) -> None:
    """And may be handled there."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handled() -> str:
        try:
            return await future
        except LookupError:
            return "handled"

    diary.running(handled)
    future.set_exception(LookupError())
    await asyncio.sleep(0)
    assert diary.notes == ["begun", "handled", "ended"]


async def test_cancelling_at_a_pause_is_heard_at_once(diary: Diary) -> None:
    """And the pause forgets it: resuming runs nobody on."""
    pause = Pause()
    running = diary.running(lambda: at(pause), lambda: at(pause))
    running.cancel()
    assert diary.notes == ["begun", asyncio.CancelledError]
    pause.resume()
    assert diary.notes == ["begun", asyncio.CancelledError]


async def test_cancelling_at_a_future_cancels_the_future(diary: Diary) -> None:
    """Whoever works for it can stop; the coroutine hears of it in the loop's next turn."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = diary.running(lambda: future)
    running.cancel()
    assert future.cancelled()
    await asyncio.sleep(0)
    assert diary.notes == ["begun", asyncio.CancelledError]


async def test_cancelling_is_not_lost_where_what_was_waited_for_has_come(diary: Diary) -> None:
    """In a turn of the loop, or in the one in which a future is done: heard when it goes on, and once."""
    running = diary.running(lambda: asyncio.sleep(0))
    running.cancel()
    await asyncio.sleep(0)
    assert diary.notes == ["begun", asyncio.CancelledError]
    other = Diary()
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = other.running(lambda: future)
    future.set_result("came")
    running.cancel()
    await asyncio.sleep(0)
    assert other.notes == ["begun", asyncio.CancelledError]


async def test_cancelling_what_has_ended_does_nothing(diary: Diary) -> None:
    """A deadline may come too late."""
    diary.running().cancel()
    assert diary.notes == ["begun", "ended"]


async def test_an_error_passed_to_a_step_is_raised_where_it_waits(diary: Diary) -> None:
    """Handled there it goes no further; else it reaches who stepped."""
    pause = Pause()

    async def handled() -> str:
        try:
            await pause
        except LookupError:
            return "handled"
        return "resumed"

    running = diary.running(handled, lambda: at(pause))
    pause.leave()
    running.step(LookupError())
    assert diary.notes == ["begun", "handled"]
    pause.leave()
    with pytest.raises(ZeroDivisionError):
        running.step(ZeroDivisionError())
    assert diary.notes == ["begun", "handled", ZeroDivisionError]


async def test_a_test_can_walk_a_coroutine() -> None:
    """Its result or its error; and a test that waits no longer leaves nobody at the pause."""
    pause = Pause()

    async def found() -> str:
        await pause
        return "found"

    async def lost() -> str:
        await pause
        raise LookupError

    for coroutine in (found, lost):
        walking = asyncio.ensure_future(walked(coroutine()))
        await asyncio.sleep(0)
        pause.resume()
        if coroutine is lost:
            with pytest.raises(LookupError):
                await walking
        else:
            assert await walking == "found"
    diary = Diary()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(walked(diary.walk(lambda: at(pause))), 0.01)
    assert diary.notes == ["begun", asyncio.CancelledError]
