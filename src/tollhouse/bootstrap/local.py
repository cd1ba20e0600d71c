"""The database for a command: the operator's own, or the embedded one, running already or for as long as it takes.

Rules: DATABASE_URL goes first. An embedded server that `tollhouse up` runs is used as a guest. Where none runs, it is
started for the command's duration and stopped after, and the person is told so.
Never makes a database, unless `create` says so; never changes a schema.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tollhouse.identity.pepper import PEPPER_FILE, Peppers, load_peppers
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.settings import Settings
from tollhouse.storage.attached import has_database, running_database
from tollhouse.storage.directory_lock import DirectoryLock
from tollhouse.storage.embedded import EmbeddedPostgres
from tollhouse.storage.health import pending_migrations
from tollhouse.storage.postgres import DatabaseUrls, database_urls
from tollhouse.storage.secret_file import SECRET_FILE, load_secret

Say = Callable[[str], None]

BUSY_WAIT_S = 10.0
"""How long a starting `tollhouse up` is waited for."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command's database is: the owner's URL and the secret that the other roles' passwords derive from."""

    owner_url: str
    secret: Secret
    embedded: bool

    def __repr__(self) -> str:
        return "Place(…)"


@contextmanager
def open_database(settings: Settings, say: Say, *, start: bool = True) -> Iterator[DatabaseUrls]:
    """Connection strings of a database that answers and is current. StorageError says what is missing."""
    with open_place(settings, say, start=start) as place:
        if pending_migrations(place.owner_url):
            raise StorageError("the database is older than this Tollhouse: run 'tollhouse db migrate'")
        yield database_urls(place.owner_url, place.secret)


@contextmanager
def open_place(settings: Settings, say: Say, *, start: bool = True, create: bool = False) -> Iterator[Place]:
    """The same as the owner sees it, for migrations and diagnosis.

    Without `start`, an embedded server must run already: a command that lasts would keep `tollhouse up` out.
    """
    data_dir = settings.data_dir.absolute()
    if settings.database_url is not None:
        secret = _shared_secret(data_dir, settings.database_secret, create=create)
        yield Place(owner_url=settings.database_url, secret=secret, embedded=False)
        return
    if not create and not has_database(data_dir):
        raise StorageError(
            f"there is no Tollhouse database in {data_dir}: start one with 'tollhouse up', or name another directory "
            "with --data-dir"
        )
    owner_url = running_database(data_dir)
    if owner_url is not None:
        yield Place(owner_url=owner_url, secret=load_secret(data_dir), embedded=True)
        return
    if not start:
        raise StorageError(f"Tollhouse is not running over {data_dir}: start it with 'tollhouse up'")
    server = EmbeddedPostgres(data_dir)
    owner_url = _start(server, data_dir, say)
    try:
        yield Place(owner_url=owner_url, secret=load_secret(data_dir), embedded=True)
    finally:
        server.stop()


def peppers_of(settings: Settings) -> Peppers:
    """The peppers for a new key. ConfigError where a command would invent one that no gateway knows."""
    shared = settings.database_secret is not None and settings.pepper is None
    if shared and not (settings.data_dir / PEPPER_FILE).exists():
        raise ConfigError("this host has no peppers: give TOLLHOUSE_PEPPER, the same as the gateways have")
    return load_peppers(settings.data_dir, settings.pepper)


def _shared_secret(data_dir: Path, given: Secret | None, *, create: bool) -> Secret:
    """A wrong secret is found out by the database; one that a command invents would only confuse."""
    if given is None and not create and not (data_dir / SECRET_FILE).exists():
        raise StorageError(
            f"{data_dir} has no {SECRET_FILE}: run this where 'tollhouse up' or 'tollhouse gateway' runs, name its "
            "directory with --data-dir, or give TOLLHOUSE_DATABASE_SECRET"
        )
    if create and given is None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return load_secret(data_dir, given)


def _start(server: EmbeddedPostgres, data_dir: Path, say: Say) -> str:
    """Starts the server; where another process has just taken the directory, waits until its server answers."""
    say("Tollhouse is not running: starting its database for this command")
    deadline_s = time.monotonic() + BUSY_WAIT_S
    while True:
        try:
            return server.start(say)
        except StorageError:
            owner_url = running_database(data_dir)
            if owner_url is not None:
                return owner_url
            if time.monotonic() > deadline_s or not _is_busy(data_dir):
                raise
            time.sleep(0.1)


def _is_busy(data_dir: Path) -> bool:
    lock = DirectoryLock(data_dir)
    try:
        lock.acquire()
    except StorageError:
        return True
    lock.release()
    return False
