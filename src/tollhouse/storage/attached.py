"""Finding the embedded server that another process runs, to be its guest: nothing is started, locked or stopped.

Never makes a directory or a secret: where they are missing, there is no server.
"""

from __future__ import annotations

from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.embedded import DATABASE, OWNER
from tollhouse.storage.secret_file import SECRET_FILE, load_secret, role_password
from tollhouse.storage.server_process import PORT

REMINDER = "socket-directory"
"""Names the sockets' directory where the data directory's path is too long for one."""


def has_database(data_dir: Path) -> bool:
    """Whether an embedded database was ever made here. StorageError if the directory may not be looked into."""
    try:
        return (data_dir / "database").is_dir()
    except OSError as error:
        raise StorageError(f"the data directory {data_dir} cannot be read: {error.strerror}") from error


def running_database(data_dir: Path) -> str | None:
    """The owner's DSN of the server of this data directory if it accepts connections now, else None."""
    sockets = _sockets(data_dir)
    if sockets is None or not (data_dir / SECRET_FILE).exists():
        return None
    if pq.PGconn.ping(make_conninfo(host=str(sockets), port=PORT, dbname=DATABASE, user=OWNER).encode()) != pq.Ping.OK:
        return None
    password = role_password(load_secret(data_dir), OWNER)
    return make_conninfo(host=str(sockets), port=PORT, dbname=DATABASE, user=OWNER, password=password)


def _sockets(data_dir: Path) -> Path | None:
    try:
        places = [data_dir / "run"]
        if (data_dir / REMINDER).exists():
            places.append(Path((data_dir / REMINDER).read_text("utf-8")))
        return next((place for place in places if (place / f".s.PGSQL.{PORT}").exists()), None)
    except OSError as error:
        raise StorageError(f"the data directory {data_dir} cannot be read: {error.strerror}") from error
