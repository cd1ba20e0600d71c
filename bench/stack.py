"""What is measured and what it is measured against, as running processes: `tollhouse up`, nginx, uvicorn, the provider.

The gateway is the real one with everything on, started as its users start it, with one worker; its database runs on
the load's core. Everything lives in a temporary directory and ends with the benchmark.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import trustme

from bench import empty
from bench.process import BenchError, Cores, Process, module, move_database, settle_down, worker_of
from bench.upstream import ANSWER_BYTES

READY = "Calls appear here"
START_S = 60.0

NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log error.log warn; {user}
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_buffer_size 512k; client_max_body_size 32m; keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s;
  upstream plain {{ server 127.0.0.1:{plain}; keepalive 4096; keepalive_requests 100000000; }}
  upstream tls {{ server 127.0.0.1:{tls}; keepalive 4096; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{on_plain}; location / {{ proxy_pass http://plain; }} }}
  server {{ listen 127.0.0.1:{on_tls}; location / {{ proxy_pass https://tls; proxy_ssl_name localhost;
    proxy_ssl_server_name on; proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority}; }} }}
}}
"""


class Certificate:
    """An authority of this run, and the provider's certificate under it."""

    def __init__(self, directory: Path) -> None:
        authority, self.authority = trustme.CA(), directory / "authority.pem"
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.chain, self.key = directory / "chain.pem", directory / "key.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        issued.private_key_pem.write_to_path(str(self.key))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(self.chain), append=True)


class Gateway:
    """One `tollhouse up` with one worker; `openai` is the benchmark's provider. `start` and `stop` may be repeated."""

    def __init__(self, directory: Path, cores: Cores, upstream: str, certificate: Certificate) -> None:
        self.data_dir, self._log = directory, directory.with_suffix(".log")
        self._cores = cores
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/v1/chat/completions"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "SSL_CERT_FILE": str(certificate.authority),
            "BENCH_PROVIDER_KEY": "sk-bench-provider",
            "TOLLHOUSE_PROVIDERS_OPENAI_KIND": "openai",
            "TOLLHOUSE_PROVIDERS_OPENAI_BASE_URL": upstream,
            "TOLLHOUSE_PROVIDERS_OPENAI_ALLOW_PRIVATE": "true",
            "TOLLHOUSE_PROVIDERS_OPENAI_KEY_ENV": "BENCH_PROVIDER_KEY",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }
        self._process: Process | None = None
        self.key = ""
        self.calls = 0
        """Calls that were answered to this benchmark, by which the ledger is checked in the end."""

    @property
    def root(self) -> int:
        assert self._process is not None, "asked for before it was started"
        return self._process.pid

    @property
    def worker(self) -> int:
        return worker_of(self.root)

    def start(self, *, pinned: bool = True) -> None:
        """Starts it and waits until it says that it is ready; the first time also makes a key."""
        command = [str(Path(sys.executable).with_name("tollhouse")), "up", "--workers", "1"]
        command += ["--gateway-port", str(self._port), "--data-dir", str(self.data_dir)]
        # Its terminal is a file, as under a service manager: what it says of calls costs what it costs there.
        core = self._cores.measured if pinned else None
        self._process = Process(command, core, environment=self._environment, log=self._log, output=True)
        if not pinned:
            return
        wait_for(lambda: READY in self._process_log(), self._log)
        move_database(self.root, self._cores.load)
        if not self.key:
            self.key = self._make_key()

    def stop(self) -> None:
        """Stops it in order."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            self._log.write_text("")

    def story(self) -> str:
        """Whether it runs, and what it said last: for the message of a benchmark that failed."""
        running = self._process is not None and self._process.running
        return f"the gateway {'runs' if running else 'has ended'}; its last words: {self._log.read_text()[-1000:]}"

    def settle(self) -> None:
        """Waits until everything is shipped."""
        settle_down(self.root)

    def _process_log(self) -> str:
        if self._process is None or not self._process.running:
            raise BenchError(f"tollhouse ended early: {self._log.read_text()[-2000:]}")
        return self._log.read_text()

    def _make_key(self) -> str:
        command = [str(Path(sys.executable).with_name("tollhouse")), "keys", "create", "bench", "--json"]
        made = subprocess.run(
            [*command, "--data-dir", str(self.data_dir)], capture_output=True, text=True, env=self._environment
        )
        if made.returncode != 0:
            raise BenchError(f"no key could be made: {made.stderr}")
        return str(json.loads(made.stdout)["key"])


class Reference:
    """A process to compare with, and the addresses at which it answers."""

    def __init__(self, process: Process, urls: Mapping[str, str], answer_bytes: int) -> None:
        self.root, self.urls, self.answer_bytes = process.pid, urls, answer_bytes


class Stack:
    """All of it. A context manager."""

    def __init__(self, directory: Path, cores: Cores) -> None:
        self.directory, self.cores = directory, cores
        self._stack = ExitStack()
        self.certificate = Certificate(directory)
        self.nginx: Reference | None = None

    def __enter__(self) -> Stack:
        with ExitStack() as stack:
            self._stack = stack
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def gateway(self, name: str, upstream: str) -> Gateway:
        """A further gateway, on a data directory of its own."""
        gateway = Gateway(self.directory / name, self.cores, upstream, self.certificate)
        self._stack.callback(gateway.stop)
        gateway.start()
        return gateway

    def _start(self) -> None:
        plain = self._serve("upstream", self.cores.load, module("bench.upstream"))
        pair = ("--certificate", self.certificate.chain, "--key", self.certificate.key)
        tls = self._serve("upstream-tls", self.cores.load, module("bench.upstream", *pair))
        ports = {"plain": int(plain.line()), "tls": int(tls.line())}
        self.upstreams = {"plain": f"http://127.0.0.1:{ports['plain']}", "tls": f"https://localhost:{ports['tls']}"}
        self.gateways = {name: self.gateway(f"gateway-{name}", url) for name, url in self.upstreams.items()}
        port = free_port()
        process = self._serve("uvicorn", self.cores.measured, module("bench.empty", port))
        self.empty = Reference(process, {"plain": f"http://127.0.0.1:{port}/"}, len(empty.BODY))
        wait_for(lambda: is_open(port), process.log)
        if shutil.which("nginx"):
            self.nginx = self._start_nginx(ports)

    def _start_nginx(self, ports: Mapping[str, int]) -> Reference:
        directory = self.directory / "nginx"
        directory.mkdir()
        listening = {"plain": free_port(), "tls": free_port()}
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(
            user=user,
            plain=ports["plain"],
            tls=ports["tls"],
            on_plain=listening["plain"],
            on_tls=listening["tls"],
            authority=self.certificate.authority,
        )
        (directory / "nginx.conf").write_text(text)
        command = ["nginx", "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]
        process = self._serve("nginx", self.cores.measured, command)
        wait_for(lambda: all(map(is_open, listening.values())), process.log)
        urls = {name: f"http://127.0.0.1:{port}/" for name, port in listening.items()}
        return Reference(process, urls, ANSWER_BYTES)

    def _serve(self, name: str, core: int, command: list[str]) -> Process:
        process = Process(command, core, log=self.directory / f"{name}.log")
        return self._stack.enter_context(process)


def wait_for(ready: object, log: Path) -> None:
    """Waits until `ready()` is true; BenchError with the log's end if it takes too long."""
    assert callable(ready)
    deadline_s = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline_s:
            raise BenchError(f"did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
