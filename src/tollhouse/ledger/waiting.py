"""Those who wait in an event loop for a thread's sync, and how the thread tells them."""

from __future__ import annotations

import asyncio

Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def tell(waiters: list[Waiter], problem: Exception | None) -> None:
    """Wakes all of them in their own loops, with the problem if there was one."""
    for loop, future in waiters:
        try:
            loop.call_soon_threadsafe(_resolve, future, problem)
        except RuntimeError:
            continue  # that loop has ended, and with it whoever waited


def _resolve(future: asyncio.Future[None], problem: Exception | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(None)
    else:
        future.set_exception(problem)
