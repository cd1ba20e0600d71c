"""Running a call: its coroutine is stepped right where what it waits for happens.

A task of asyncio would be woken through a future and a turn of the loop, twice for an ordinary call; stepping it from
the protocol's own callback spares both. A `Pause` is what a call waits at; futures of asyncio work as well, for what is
seldom: dialing, sleeping. Code that asks for the current task (`asyncio.timeout`) needs a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Pause:
    """A place at which one call at a time waits, until somebody resumes it. May be used again and again."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: Running | None = None

    def __await__(self) -> Generator[Pause, None, None]:
        yield self

    def hold(self, running: Running) -> None:
        """This call waits here now."""
        self._running = running

    def leave(self) -> None:
        """Nobody waits here any more."""
        self._running = None

    def resume(self) -> None:
        """Runs on whoever waits here, up to where it waits next; nothing where nobody does."""
        running = self._running
        if running is not None:
            self._running = None
            running.step()


class Running:
    """A coroutine under way. It handles its own errors; what it raises all the same goes to who stepped it."""

    __slots__ = ("_cancelled", "_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._waits_for: Pause | asyncio.Future[Any] | None = None
        self._cancelled = False
        """Told to end while what it waited for had come already; it is, when it goes on."""

    def step(self, error: BaseException | None = None) -> None:
        """Runs it up to where it waits next, or to its end. `error` is raised where it waits."""
        if self._cancelled:
            self._cancelled = False
            error = asyncio.CancelledError()
        try:
            waits_for = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except (StopIteration, asyncio.CancelledError):
            self._waits_for = None
            return
        self._waits_for = waits_for
        if type(waits_for) is Pause:
            waits_for.hold(self)
        elif waits_for is None:
            # `asyncio.sleep(0)`: one turn of the loop.
            asyncio.get_running_loop().call_soon(self.step)
        else:
            # The protocol between futures and whoever awaits them, as asyncio's own task speaks it.
            waits_for._asyncio_future_blocking = False
            waits_for.add_done_callback(self._woken)

    def cancel(self) -> None:
        """Raises `CancelledError` where it waits."""
        waits_for = self._waits_for
        if isinstance(waits_for, Pause):
            waits_for.leave()
            self.step(asyncio.CancelledError())
        elif waits_for is None or not waits_for.cancel():
            self._cancelled = True

    def _woken(self, _: asyncio.Future[Any]) -> None:
        self.step()
