"""Walking a call's coroutine as the gateway does, from an ordinary test: what it waits at are pauses, not futures."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tollhouse.gateway.running import Running

Result = TypeVar("Result")


async def walked(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Steps it to its end; gives its result or raises its error. Cancelled, it cancels the coroutine as well."""
    ended: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    async def walk() -> None:
        try:
            result = await coroutine
        except asyncio.CancelledError:
            ended.cancel()
        except BaseException as error:
            _tell(ended, error)
        else:
            if not ended.done():
                ended.set_result(result)

    running = Running(walk())
    running.step()
    try:
        return await ended
    except asyncio.CancelledError:
        running.cancel()
        raise


def _tell(ended: asyncio.Future[Any], error: BaseException) -> None:
    """The error to who waits; where nobody does any more, to who stepped the coroutine."""
    if ended.done():
        raise error
    ended.set_exception(error)
