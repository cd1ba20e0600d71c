"""Undoes gzip and deflate so that an answer's usage can be seen while its bytes pass as they came.

Bounded in what it gives: a small body that swells without end (a bomb) stops being observed, it is never an error.
"""

from __future__ import annotations

import zlib

SUPPORTED = frozenset(("gzip", "x-gzip", "deflate"))

_DETECT = 32 + zlib.MAX_WBITS
"""gzip or zlib by its own header."""
_STEP = 256 * 1024


class Inflater:
    """Incremental: `feed` gives what the next bytes inflate to; b'' once `limit` was reached or the data is bad."""

    __slots__ = ("_given", "_head", "_inflate", "_limit", "stopped")

    def __init__(self, limit: int) -> None:
        self.stopped = False
        """Nothing more will be given: the limit was reached, or the data is no gzip, zlib or raw deflate."""
        self._limit = limit
        self._given = 0
        self._head: bytes | None = b""
        """What came first, until its two bytes of header tell what it is."""
        self._inflate = zlib.decompressobj(_DETECT)

    def feed(self, data: bytes) -> bytes:
        """The inflated bytes, at most what is left of the limit."""
        if self._head is not None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
        parts: list[bytes] = []
        while data and not self.stopped:
            part, data = self._step(data)
            parts.append(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """Inflates some of the data; gives what came out and what is left to inflate."""
        room = self._limit - self._given
        try:
            part = self._inflate.decompress(data, min(_STEP, room + 1))
        except zlib.error:
            return self._retry_raw(data)
        self._head = None
        if len(part) > room:
            self.stopped = True
            return part[:room], b""
        self._given += len(part)
        if self._inflate.eof:
            # gzip members may follow one another.
            data = self._inflate.unused_data
            self._inflate = zlib.decompressobj(_DETECT)
            return part, data
        return part, self._inflate.unconsumed_tail

    def _retry_raw(self, data: bytes) -> tuple[bytes, bytes]:
        """Some send raw deflate under the name: a beginning that is neither gzip nor zlib."""
        if self._head is None:
            self.stopped = True
            return b"", b""
        self._head = None
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        return b"", data
