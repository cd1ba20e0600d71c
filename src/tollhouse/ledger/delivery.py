"""Handing a batch of rows to the database: at once, or split until the row that it will never take stands alone.

Such a row goes to a dead-letter file beside the segments, one JSON object a line (`reason`, `row`), and is told; the
rest is settled. After a crash in between, a row may stand there twice.

Never drops a row: what is neither settled nor in the dead-letter file is the caller's to send again.
"""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import BatchRejectedError, StorageError
from tollhouse.ledger.ports import Notice, Settle
from tollhouse.ledger.segments import REJECTED_NAME

_REASON_LENGTH_MAX = 300


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `new` are rows that were not there before; `rejected` are in the dead-letter file."""

    new: int
    rejected: int


class Delivery:
    """The way from one journal's directory to the database."""

    def __init__(self, directory: Path, settle: Settle, *, timeout_s: float, notice: Notice) -> None:
        self._directory, self._settle, self._timeout_s, self._notice = directory, settle, timeout_s, notice

    async def send(self, rows: list[bytes]) -> Delivered:
        """Settle all rows or set them aside. StorageError: send all of them again later."""
        new = 0
        rejected: list[tuple[bytes, str]] = []
        parts = [rows] if rows else []
        while parts:
            part = parts.pop()
            try:
                new += await self._settle_part(part)
            except BatchRejectedError as error:
                if len(part) == 1:
                    rejected.append((part[0], str(error)))
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
        if rejected:
            self._set_aside(rejected)
        return Delivered(new=new, rejected=len(rejected))

    async def _settle_part(self, rows: list[bytes]) -> int:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._settle(b"[" + b",".join(rows) + b"]")
        except StorageError:
            raise
        except TimeoutError as error:
            raise StorageError(f"settling a batch took longer than {self._timeout_s} s") from error
        except Exception as error:  # the edge to the database: a fault there must not end the shipping
            self._notice("shipper.fault", kind=type(error).__name__)
            raise StorageError(f"settling a batch failed: {type(error).__name__}") from error

    def _set_aside(self, rejected: list[tuple[bytes, str]]) -> None:
        lines = b"".join(
            b'{"reason":' + msgspec.json.encode(reason[:_REASON_LENGTH_MAX]) + b',"row":' + row + b"}\n"
            for row, reason in rejected
        )
        try:
            _append_durably(self._directory / REJECTED_NAME, lines)
        except OSError as error:
            raise StorageError(f"the dead-letter file cannot be written: {error.strerror}") from error
        for _ in rejected:
            self._notice("shipper.row_rejected", journal=self._directory.name)


def _append_durably(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if os.write(descriptor, lines) != len(lines):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
