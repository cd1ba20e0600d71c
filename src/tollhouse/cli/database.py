"""How a command comes to the database: opened for its duration, read inside its workspaces.

The event loop lives as long as the command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tollhouse.cli.command import Everywhere, InWorkspace, remark, settings_of

if TYPE_CHECKING:
    from tollhouse.bootstrap.reach import Reach
    from tollhouse.storage.postgres import DatabaseUrls

Result = TypeVar("Result")


def with_reach(options: InWorkspace, work: Callable[[Reach], Awaitable[Result]], *, start: bool = True) -> Result:
    """What `work` makes of the workspaces that the command covers; without `start` Tollhouse has to run already."""
    from tollhouse.bootstrap.reach import open_reach

    async def run(urls: DatabaseUrls) -> Result:
        async with open_reach(urls, options.workspace) as reach:
            return await work(reach)

    return with_database(options, run, start=start)


def with_database(
    options: Everywhere, work: Callable[[DatabaseUrls], Awaitable[Result]], *, start: bool = True
) -> Result:
    """What `work` makes of the database."""
    import asyncio
    import logging

    from tollhouse.bootstrap.local import open_database

    async def run(urls: DatabaseUrls) -> Result:
        return await work(urls)

    # The driver's pool remarks on connections that broke; the command says it once, as an error.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    with open_database(settings_of(options), remark, start=start) as urls:
        return asyncio.run(run(urls))
