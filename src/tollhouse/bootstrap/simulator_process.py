"""The simulated provider as a child of `tollhouse up --demo`: ends when its supervisor's pipe does."""

from __future__ import annotations

import os
import signal
import sys
import threading

from tollhouse.simulator.server import run


def main() -> None:
    """Entry of the process; one line of standard input says the port."""
    port = int(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    run("127.0.0.1", port, on_ready=lambda bound: print(bound, flush=True))


def _end_with_supervisor() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
