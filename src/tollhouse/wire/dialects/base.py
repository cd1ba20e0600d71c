"""What every dialect furnishes.

`read_request(route, body)` gives a `Call` or a `Refusal`; `answer_reader(call, content_type, status)` gives an
`AnswerReader`, a sans-io machine that sees every (decoded) byte of the provider's answer.
"""

from __future__ import annotations

from typing import Protocol

from tollhouse.wire.call import Reported


class AnswerReader(Protocol):
    """Observes one answer. Never raises on what a provider sends: unknown input is noted, not fatal."""

    reported: Reported

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes, cut anywhere; returns the bytes to pass on now.

        The very same object comes back unless this answer has a chunk to strip (usage that only we asked for);
        then an event that may be that chunk is held back until it is known, at most 16 KiB of it.
        """

    def finish(self) -> bytes:
        """The body ended: returns what was still held back, and settles `reported`."""
