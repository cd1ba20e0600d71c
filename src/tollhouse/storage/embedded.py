"""The embedded database: PostgreSQL 18 in the data directory, for installs that bring none of their own.

Rules: one owner per data directory (a lock file names it); a server orphaned by a killed owner is adopted, not fought;
a half-made database is never taken for a whole one (made aside, then renamed); it listens on a unix socket alone, and
every role has a password derived from the data directory's secret. A failure is a StorageError that says what to do.
Never: runs as root, touches an existing database of another major version, stops a server other than its own.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.binaries import MAJOR, find_installation, reachable_installation, server_account
from tollhouse.storage.directory_lock import DirectoryLock
from tollhouse.storage.postgres import load_statements
from tollhouse.storage.secret_file import load_secret, role_password
from tollhouse.storage.server_process import (
    PORT,
    ServerPlace,
    hand_over,
    is_alive,
    log_tail,
    make_cluster,
    running_server,
    socket_directory,
    start_server,
    stop_server,
)

OWNER = "tollhouse"
DATABASE = "tollhouse"
SUPERUSER = "postgres"
READY_S = 1800.0
"""Crash recovery replays at most a gigabyte of log, but the disk may be slow."""
FREE_BYTES_TO_MAKE = 256 << 20
FREE_BYTES_TO_START = 64 << 20
LOG_BYTES_MAX = 8 << 20

_statements = load_statements("tollhouse.storage")


class EmbeddedPostgres:
    """One server over one data directory. Synchronous; used by one thread of the supervisor.

    `extra_settings` override PostgreSQL settings by name (tests turn off fsync).
    """

    def __init__(self, data_dir: Path, extra_settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self._extra_settings = dict(extra_settings or {})
        self._lock = DirectoryLock(self.data_dir)
        self._sockets: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    def start(self, progress: Callable[[str], None] = lambda message: None) -> str:
        """Make the database if there is none, start or adopt the server, wait until it answers; the owner's DSN.

        Starting a server that runs already is no error. `progress` is told in a few words what takes time.
        """
        if self.is_running():
            return self._owner_dsn()
        prepare_directory(self.data_dir)
        self._lock.acquire()
        try:
            return self._start_locked(progress)
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise _translated(error, self.data_dir) from error
            raise

    def stop(self) -> None:
        """Stop the server in `fast` mode and give up the data directory. Does nothing if it is not running."""
        try:
            if self._pid is not None:
                stop_server(self._pid, self._child)
            if self._sockets is not None and self._sockets.parent != self.data_dir:
                with suppress(OSError):
                    self._sockets.rmdir()  # the next start makes another
        finally:
            self._pid = self._child = None
            self._lock.release()

    def is_running(self) -> bool:
        """Whether the server's process lives; a supervisor asks now and then, and calls `start` again after a crash."""
        if self._pid is None:
            return False
        if is_alive(self._pid, self._child):
            return True
        self._pid = self._child = None
        self._lock.release()
        return False

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._pid

    def superuser_dsn(self, database: str = "postgres") -> str:
        """For backup and for tests; nothing else connects as superuser."""
        return self._dsn(SUPERUSER, database)

    def _start_locked(self, progress: Callable[[str], None]) -> str:
        place = self._place()
        self._sockets = place.sockets
        fresh = not place.database.exists()
        if fresh:
            progress("making the database (once)")
            _make_database(place, role_password(self._secret(), SUPERUSER))
        _check_version(place.database)
        _check_space(self.data_dir, FREE_BYTES_TO_START)
        self._pid = running_server(place.database)
        if self._pid is not None:
            progress(f"adopting the database server that was left running, process {self._pid}")
        else:
            _shorten(place.log)
            self._child = start_server(place, self._extra_settings)
            self._pid = self._child.pid
        self._wait_ready(place, progress)
        self._ensure_owner(fresh)
        return self._owner_dsn()

    def _place(self) -> ServerPlace:
        database = self.data_dir / "database"
        account = server_account(database if database.exists() else self.data_dir)
        return ServerPlace(
            programs=reachable_installation(find_installation(), account) / "bin",
            database=database,
            sockets=socket_directory(self.data_dir, account),
            log=self.data_dir / "database.log",
            account=account,
        )

    def _wait_ready(self, place: ServerPlace, progress: Callable[[str], None]) -> None:
        """Until the server accepts connections. An adopted one may be shutting down: then ours is started after it."""
        conninfo = make_conninfo(host=str(place.sockets), port=PORT, dbname="postgres", user=SUPERUSER).encode()
        begun = time.monotonic()
        told = False
        while (answer := pq.PGconn.ping(conninfo)) != pq.Ping.OK:
            assert self._pid is not None
            if not is_alive(self._pid, self._child):
                if self._child is not None:
                    raise StorageError(f"the database server did not start: {log_tail(place.log)}")
                running_server(place.database)  # removes the pid file that a killed server leaves
                self._child = start_server(place, self._extra_settings)
                self._pid = self._child.pid
            waited_s = time.monotonic() - begun
            if waited_s > READY_S:
                raise StorageError(f"the database server did not answer within {READY_S:.0f} s: {log_tail(place.log)}")
            if answer == pq.Ping.REJECT and waited_s > 0.5 and not told:
                progress("waiting for the database to recover")
                told = True
            time.sleep(0.01)

    def _ensure_owner(self, fresh: bool) -> None:
        """The owner is not a superuser: it may make roles and databases, and row security binds it."""
        if not fresh:
            # An owner that cannot connect is made, or given its password, below.
            with suppress(psycopg.OperationalError), psycopg.connect(self._owner_dsn()):
                return
        try:
            with psycopg.connect(self.superuser_dsn(), autocommit=True) as connection:
                _make_owner(connection, role_password(self._secret(), OWNER))
        except psycopg.Error as error:
            raise StorageError(
                f"the embedded database does not accept its own password ({type(error).__name__}): "
                f"put back the file database-secret that belongs to {self.data_dir}"
            ) from error

    def _owner_dsn(self) -> str:
        return self._dsn(OWNER, DATABASE)

    def _dsn(self, user: str, database: str) -> str:
        return make_conninfo(
            host=str(self._sockets), port=PORT, dbname=database, user=user, password=role_password(self._secret(), user)
        )

    def _secret(self) -> Secret:
        return load_secret(self.data_dir)


def prepare_directory(data_dir: Path) -> None:
    """Make the data directory, private, and see that it can be written to. StorageError says what is in the way."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = data_dir / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise _translated(error, data_dir) from error


def _make_database(place: ServerPlace, password: str) -> None:
    """Made aside and renamed when whole, so that a kill in between leaves nothing that looks like a database."""
    _check_space(place.database.parent, FREE_BYTES_TO_MAKE)
    aside = place.database.with_name("database.unfinished")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(mode=0o700)
    hand_over(aside, place.account)
    unfinished = ServerPlace(
        programs=place.programs, database=aside, sockets=place.sockets, log=place.log, account=place.account
    )
    make_cluster(unfinished, password, SUPERUSER)
    aside.rename(place.database)


def _make_owner(connection: psycopg.Connection[tuple[object, ...]], password: str) -> None:
    """Idempotent: whatever a kill left undone is done by the next start."""
    verifier = connection.pgconn.encrypt_password(password.encode(), OWNER.encode(), b"scram-sha-256").decode()
    owner = sql.Identifier(OWNER)
    known = connection.execute(_statements["role_exists"], {"role": OWNER}).fetchone()
    verb = sql.SQL("ALTER ROLE" if known else "CREATE ROLE")
    connection.execute(
        sql.SQL("{} {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(verb, owner, sql.Literal(verifier))
    )
    if not connection.execute(_statements["database_exists"], {"database": DATABASE}).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), owner))


def _check_version(database: Path) -> None:
    try:
        found = (database / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        raise StorageError(
            f"{database} is not a PostgreSQL database: move it away and start again, or restore a backup"
        ) from None
    if found != str(MAJOR):
        raise StorageError(
            f"{database} was made by PostgreSQL {found}, this Tollhouse brings {MAJOR}: dump it with that "
            f"version's pg_dump, move {database} away, start again, and load the dump into the new one"
        )


def _check_space(directory: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise StorageError(
            f"no disk space for the database: {directory} has {free >> 20} MiB free and needs {needed_bytes >> 20} MiB"
        )


def _shorten(log: Path) -> None:
    """The server's log is bounded: when it has grown large, one older one is kept."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.rename(log.with_suffix(".log.1"))


def _translated(error: OSError, data_dir: Path) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no disk space left in {data_dir}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"the data directory {data_dir} cannot be written: {error.strerror} ({error.filename})")
    return StorageError(f"the data directory {data_dir} cannot be used: {error}")
