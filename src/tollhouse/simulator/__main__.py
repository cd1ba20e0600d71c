"""Entry: `python -m tollhouse.simulator --port P [--host H] [--recordings DIR] [--certificate F --key F]`.

Prints one JSON line `{"event":"simulator.ready","port":P}` when it listens; wrong usage exits with 2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import ConfigError
from tollhouse.simulator.server import Certificate, run


def main(arguments: list[str] | None = None) -> int:
    """Runs the simulator until it is told to stop; 2 if it could not start."""
    options = _parser().parse_args(arguments)
    if (options.certificate is None) != (options.key is None):
        print("simulator: --certificate and --key come together", file=sys.stderr)
        return 2
    certificate = Certificate(chain=options.certificate, key=options.key) if options.key else None
    try:
        run(
            options.host,
            options.port,
            recordings=options.recordings,
            certificate=certificate,
            on_ready=_print_ready,
        )
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tollhouse.simulator", description="A simulated LLM provider.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument("--recordings", type=Path, help="folder of recorded answers to play")
    parser.add_argument("--certificate", type=Path, help="PEM file of the TLS certificate chain")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    return parser


def _print_ready(port: int) -> None:
    print(msgspec.json.encode({"event": "simulator.ready", "port": port}).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
