"""Server: runs the simulator on uvicorn, uvloop and httptools.

Shell. `run` blocks until the process is told to stop (SIGINT, SIGTERM); `serving` runs it in a thread, for tests and
for processes that have other work.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import uvicorn

from tollhouse.kernel.errors import ConfigError
from tollhouse.simulator.app import SimulatorApp
from tollhouse.simulator.recording import load_recordings
from tollhouse.simulator.wire import SimulatorProtocol

BACKLOG = 2048
START_WAIT_S = 10.0
SHUTDOWN_WAIT_S = 1


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A TLS certificate chain and its key, PEM files."""

    chain: Path
    key: Path


def run(
    host: str,
    port: int,
    *,
    recordings: Path | None = None,
    listener: socket.socket | None = None,
    certificate: Certificate | None = None,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Serves until told to stop. Port 0 takes a free one; a `listener` of the caller's replaces host and port.

    `on_ready` hears the port once connections are accepted. ConfigError if address, certificate or recordings cannot
    be used.
    """
    app = SimulatorApp(load_recordings(recordings) if recordings else None)
    bound = listener or _listen(host, port)
    server = _server(app, certificate)
    _announce(on_ready, bound)
    server.run(sockets=[bound])


@contextlib.contextmanager
def serving(app: SimulatorApp, certificate: Certificate | None = None) -> Iterator[int]:
    """Serves on a free local port from a thread of its own, for as long as the context lasts; gives the port."""
    bound = _listen("127.0.0.1", 0)
    server = _server(app, certificate)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True, name="simulator")
    thread.start()
    deadline = time.monotonic() + START_WAIT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise ConfigError("simulator: the server did not start")
        time.sleep(0.005)
    try:
        yield int(bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(START_WAIT_S)
        bound.close()


def _announce(on_ready: Callable[[int], None] | None, bound: socket.socket) -> None:
    """Connections queue in the listener from here on, so whoever hears of the port can use it at once."""
    bound.listen(BACKLOG)
    if on_ready is not None:
        on_ready(int(bound.getsockname()[1]))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"simulator: cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}") from error
    bound.listen(BACKLOG)
    return bound


def _server(app: SimulatorApp, certificate: Certificate | None) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=SimulatorProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_WAIT_S,
        ssl_certfile=None if certificate is None else str(certificate.chain),
        ssl_keyfile=None if certificate is None else str(certificate.key),
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"simulator: the certificate or its key cannot be used: {error}") from error
    return uvicorn.Server(config)
