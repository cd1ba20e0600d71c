"""The elements of a JSON array that arrives in pieces: what Gemini streams when it was not asked for events.

Rules: elements are told apart by brackets outside strings alone, each byte is looked at once, and an element is given
when its last bracket arrives. It does not check that an element is valid JSON; its reader does.
"""

from __future__ import annotations

import re

ELEMENT_BYTES_MAX = 32 * 1024 * 1024
"""A longer element is passed over and counted in `oversized`."""

_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')


class ArraySplitter:
    """Incremental: `feed` gives the elements (objects or arrays) that became complete."""

    __slots__ = ("_depth", "_escaped", "_in_string", "_kept", "_parts", "oversized")

    def __init__(self) -> None:
        self.oversized = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._kept = 0
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The elements completed by the next bytes, in order."""
        elements: list[bytes] = []
        begin = 0 if self._depth > 1 else -1
        position = 0
        while position < len(data):
            if self._in_string:
                position = self._leave_string(data, position)
                continue
            match = _OUTSIDE.search(data, position)
            if match is None:
                break
            position = match.end()
            mark = match.group()
            if mark == b'"':
                self._in_string = True
            elif mark in b"[{":
                self._depth += 1
                if self._depth == 2:
                    begin = position - 1
            else:
                self._depth -= 1
                if self._depth == 1 and begin >= 0:
                    self._keep(data[begin:position])
                    self._give(elements)
                    begin = -1
        if begin >= 0:
            self._keep(data[begin:])
        return elements

    def _leave_string(self, data: bytes, position: int) -> int:
        """Where to go on: behind the string's end, or at the data's."""
        if self._escaped:
            self._escaped = False
            return position + 1
        match = _INSIDE.search(data, position)
        if match is None:
            return len(data)
        if match.group() == b'"':
            self._in_string = False
        else:
            self._escaped = True
        return match.end()

    def _keep(self, part: bytes) -> None:
        self._kept += len(part)
        if self._kept <= ELEMENT_BYTES_MAX:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _give(self, elements: list[bytes]) -> None:
        if self._kept <= ELEMENT_BYTES_MAX:
            elements.append(b"".join(self._parts))
        else:
            self.oversized += 1
        self._parts.clear()
        self._kept = 0
