"""The thread beside a journal: syncs in groups, and probes a journal that could not be written.

One thread per worker, started and stopped by the owner. In mode `power` it turns as soon as someone waits; whoever
comes while a sync runs shares the next one.

Never touches an entry; never ends by itself.
"""

from __future__ import annotations

import threading

from tollhouse.ledger.journal import Journal


class JournalSync:
    """`start` once, `stop` before the journal is closed."""

    def __init__(self, journal: Journal, *, interval_s: float = 0.25) -> None:
        self._journal, self._interval_s = journal, interval_s
        self._stopping = False
        self._thread = threading.Thread(target=self._turn, name="journal-sync", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the sync that runs and end; blocks for it."""
        self._stopping = True
        self._journal.wake.set()
        self._thread.join()

    def _turn(self) -> None:
        wake = self._journal.wake
        while not self._stopping:
            wake.wait(self._interval_s)
            wake.clear()
            self._journal.sync()
            if not self._journal.probe() and not self._stopping:
                wake.wait(self._interval_s)
