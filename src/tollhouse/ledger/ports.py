"""What the ledger asks of others, and what it promises them: the journal as the gateway sees it, the settling of a
batch, the telling of events. The composition root fills these in; nothing here has an implementation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from tollhouse.kernel.ids import CallId
from tollhouse.ledger.model import CallProgress

Settle = Callable[[bytes], Awaitable[int]]
"""Takes a JSON array of `CallClosed` rows, commits them at once and returns how many were new.

A row that is there already is passed over. StorageError: nothing is known to be committed, try again.
BatchRejectedError: nothing is committed, and a row of the batch never will be.
"""

Monotonic = Callable[[], float]
"""Seconds that only go up."""

UnixMs = Callable[[], int]
"""Wall-clock time in Unix milliseconds."""


class Notice(Protocol):
    """Tells a named event with fields: ids, counts and codes only. Never raises, never blocks."""

    def __call__(self, event: str, /, **fields: int | float | str) -> None: ...


class CallJournal(Protocol):
    """Where a call is opened before its side effect and closed once. Another form may keep it in the database."""

    @property
    def healthy(self) -> bool:
        """Whether a call may be opened; the gateway refuses with 503 while it is False. Mends itself."""

    def opened(self, call: CallId, entry: bytes, /) -> None:
        """The call will survive the death of this process; `entry` is the JSON of its `CallOpened`. JournalError: it is
        not recorded, do not go upstream."""

    async def opened_durably(self, call: CallId, entry: bytes, /) -> None:
        """As `opened`, and as durable as the setting asks before it returns. After a JournalError the call may or
        may not be recorded: do not go upstream, and close it."""

    def progress(self, records: Sequence[CallProgress], /) -> None:
        """Open streams as last metered. Never raises: losing one makes a later recovery less exact, no more."""

    def closed(self, call: CallId, entry: bytes, /) -> None:
        """The call's one row: the JSON of its `CallClosed`. JournalError: it is not written yet; it is kept in memory
        and written when that is possible, unless the message says that even this is full."""


def silent(event: str, /, **fields: int | float | str) -> None:
    """A notice to nobody."""
