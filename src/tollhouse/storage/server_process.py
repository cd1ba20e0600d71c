"""The embedded server as a process: its directories, its settings, how it is made, found, started and stopped.

Rules: everything the server is told stands on its command line, so the code decides and no file in the database does.
It listens on a unix socket alone. Its log carries no statement and no row. It runs in a session of its own: Ctrl-C in
a terminal must not stop it before the workers have drained.
Never: decides whether to start (`embedded.py` does), speaks SQL.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.binaries import Account

PORT = 5432
SOCKET_PATH_BYTES_MAX = 100
"""A unix socket's path may have 107 bytes on Linux, 103 on macOS."""
STOP_S = 60.0
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "60",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "jit": "off",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
"""For a small machine. The last two keep statements and row values out of the log."""


class ServerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One server's programs, directories and account."""

    programs: Path
    database: Path
    sockets: Path
    log: Path
    account: Account | None


def make_cluster(place: ServerPlace, password: str, superuser: str) -> None:
    """initdb into the empty `place.database`. StorageError with initdb's last words."""
    password_file = place.sockets / "first-password"
    password_file.touch(0o600)
    try:
        password_file.write_text(password)
        hand_over(password_file, place.account)
        with _Run(place) as run:
            command = [
                *(
                    str(place.programs / "initdb"),
                    "-D",
                    run.database,
                    "-U",
                    superuser,
                    "--encoding=UTF8",
                    "--no-locale",
                ),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256"),
                *(f"--pwfile={run.sockets}/{password_file.name}", "--no-instructions"),
            ]
            done = subprocess.run(command, **run.options(), capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    finally:
        password_file.unlink()
    if done.returncode != 0:
        raise StorageError(f"the database could not be made in {place.database}: {_last_words(done.stderr)}")


def start_server(place: ServerPlace, extra_settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The running postmaster; it may not accept connections yet."""
    with _Run(place) as run, place.log.open("ab") as log:
        command = [str(place.programs / "postgres"), "-D", run.database]
        for name, value in {**SETTINGS, "unix_socket_directories": run.sockets, **extra_settings}.items():
            command += ["-c", f"{name}={value}"]
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, **run.options(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )  # type: ignore[call-overload]
        return process


def running_server(database: Path) -> int | None:
    """The process id of a live postmaster of this directory, left by a killed owner; a stale pid file is removed.

    A pid file outlives a crash, and the number may by now be somebody else's (ids start low in containers), which
    would keep PostgreSQL from starting; we hold the directory's lock, so we may judge.
    """
    pid_file = database / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    if _is_postmaster(pid, database):
        return pid
    pid_file.unlink(missing_ok=True)
    return None


def stop_server(pid: int, child: subprocess.Popen[bytes] | None, timeout_s: float = STOP_S) -> None:
    """Fast shutdown: open transactions are rolled back, a checkpoint is written. Immediate if that takes too long."""
    for how in (signal.SIGINT, signal.SIGQUIT):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return
        if _wait_gone(pid, child, timeout_s):
            return
    raise StorageError(f"the database server, process {pid}, does not stop")


def is_alive(pid: int, child: subprocess.Popen[bytes] | None) -> bool:
    """Whether the postmaster still runs; reaps it if it was ours."""
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def log_tail(log: Path) -> str:
    """The last lines of the server's log, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 2000))
            return _last_words(file.read().decode("utf-8", "replace"))
    except OSError as error:
        return f"(its log {log} cannot be read: {error})"


def hand_over(path: Path, account: Account | None) -> None:
    """Give one file or directory of the database to the server's account."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def socket_directory(data_dir: Path, account: Account | None) -> Path:
    """`run` in the data directory, or where that is too long a path for a socket, a private one, remembered there."""
    inside = data_dir / "run"
    if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) < SOCKET_PATH_BYTES_MAX:
        inside.mkdir(mode=0o700, exist_ok=True)
        hand_over(inside, account)
        return inside
    reminder = data_dir / "socket-directory"
    if reminder.exists():
        known = Path(reminder.read_text())
        if known.is_dir() and not known.is_symlink() and known.stat().st_uid == _uid(account):
            return known
    short_root = "/tmp" if len(tempfile.gettempdir()) > 50 else None  # noqa: S108 - mkdtemp makes it private
    made = Path(tempfile.mkdtemp(prefix="tollhouse-", dir=short_root))
    hand_over(made, account)
    reminder.write_text(str(made))
    return made


class _Run:
    """How the server names its directories: by path, or under another account by open descriptor."""

    def __init__(self, place: ServerPlace) -> None:
        self._place = place
        self._descriptors: list[int] = []
        self.database = str(place.database)
        self.sockets = str(place.sockets)

    def __enter__(self) -> _Run:
        if self._place.account is not None:
            self.database = self._open(self._place.database)
            self.sockets = self._open(self._place.sockets)
        return self

    def __exit__(self, *exception: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def options(self) -> dict[str, object]:
        """Arguments of `subprocess` common to initdb and postgres. The environment is nearly empty on purpose."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        options: dict[str, object] = {"cwd": "/", "env": environment, "pass_fds": tuple(self._descriptors)}
        account = self._place.account
        if account is not None:
            options |= {"user": account.uid, "group": account.gid, "extra_groups": []}
        return options

    def _open(self, path: Path) -> str:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._descriptors.append(descriptor)
        return f"/proc/self/fd/{descriptor}"


def _is_postmaster(pid: int, database: Path) -> bool:
    if pid == os.getpid() or not is_alive(pid, None):
        return False
    if not sys.platform.startswith("linux"):
        told = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return Path(told.stdout.strip()).name == "postgres"
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", database)
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    """Ended but not reaped: so it stays for good where process 1 of a container reaps nobody."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _wait_gone(pid: int, child: subprocess.Popen[bytes] | None, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not is_alive(pid, child):
            return True
        time.sleep(0.01)
    return False


def _uid(account: Account | None) -> int:
    return os.geteuid() if account is None else account.uid


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-4:]) or "it said nothing"
