"""`tollhouse up`, `gateway`, `simulate`: the commands that run until they are told to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tollhouse.cli.command import Everywhere, command, settings_of
from tollhouse.cli.output import print_json, print_text

CONSOLE_HELP = "Kept for the console, which is not built: nothing listens there yet.  [8081]"


class GatewayOptions(Everywhere, frozen=True, kw_only=True):
    """Where to listen, and with how many workers."""

    gateway_port: Annotated[int | None, typer.Option("--gateway-port", help="Port of the gateway.  [8080]")] = None
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.  [127.0.0.1]")] = None
    workers: Annotated[int | None, typer.Option("--workers", help="Gateway processes.  [one per core]")] = None


class UpOptions(GatewayOptions, frozen=True, kw_only=True):
    """The same for everything at once."""

    console_port: Annotated[int | None, typer.Option("--console-port", help=CONSOLE_HELP)] = None
    demo: Annotated[
        bool, typer.Option("--demo", help="With a simulated provider, a demo workspace and keys to try it.")
    ] = False


class SimulateOptions(Everywhere, frozen=True, kw_only=True):
    """Where the simulated provider listens, and what it plays."""

    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes a free one.", min=0, max=65_535)]
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1"
    recordings: Annotated[
        Path | None, typer.Option("--recordings", help="Folder of recorded answers to play.", metavar="DIR")
    ] = None


def attach(application: typer.Typer) -> None:
    """Adds the commands."""
    command(application, "up", UpOptions)(run_everything)
    command(application, "gateway", GatewayOptions)(run_workers)
    command(application, "simulate", SimulateOptions)(run_simulator)


def run_everything(options: UpOptions) -> int:
    """Start everything on this host and follow the calls; Ctrl-C stops."""
    from tollhouse.bootstrap.supervisor import run_up

    settings = settings_of(
        options,
        gateway_port=options.gateway_port,
        console_port=options.console_port,
        host=options.host,
        workers=options.workers,
    )
    return run_up(settings, demo=options.demo, say=_say(options))


def run_workers(options: GatewayOptions) -> int:
    """Start the gateway's workers alone, against DATABASE_URL."""
    from tollhouse.bootstrap.supervisor import run_gateway

    settings = settings_of(options, gateway_port=options.gateway_port, host=options.host, workers=options.workers)
    return run_gateway(settings, say=_say(options))


def run_simulator(options: SimulateOptions) -> None:
    """Start the simulated provider alone; Ctrl-C stops."""
    from tollhouse.simulator.server import run

    def ready(port: int) -> None:
        url = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
        if options.json:
            print_json({"event": "simulator.ready", "port": port, "url": url})
        else:
            print_text(f"simulated provider at {url}")

    try:
        run(options.host, options.port, recordings=options.recordings, on_ready=ready)
    except KeyboardInterrupt:
        return  # Ctrl-C is how it is stopped; the server has closed its connections by now


def _say(options: Everywhere) -> Callable[[str], None]:
    """What the supervisor tells: lines as they are, or each as an object."""
    return _say_json if options.json else print_text


def _say_json(text: str) -> None:
    print_json({"message": text})
