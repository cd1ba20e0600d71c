"""The database secret: one random file in the data directory from which the password of every role is derived.

Rules: the file is made once, mode 0600, and synced before anything depends on it. A password is an HMAC of the role's
name, so nothing else has to be stored and no two roles share one.
Never: shows the secret or a password in a message; replaces a file that is there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret

SECRET_FILE = "database-secret"  # noqa: S105 - a file name
SECRET_BYTES = 32


def load_secret(data_dir: Path, given: Secret | None = None) -> Secret:
    """The secret that was given as hex digits, else the data directory's, made if there is none.

    Hosts that share a database share its secret. StorageError if it cannot be read or is too short.
    """
    path = data_dir / SECRET_FILE
    try:
        if given is not None:
            return _checked(bytes.fromhex(given.reveal().decode("ascii")), "TOLLHOUSE_DATABASE_SECRET")
        if not path.exists():
            _create(path)
        value = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise StorageError(f"the database secret {path} cannot be read or made: {type(error).__name__}") from error
    return _checked(value, str(path))


def _checked(value: bytes, place: str) -> Secret:
    if len(value) < SECRET_BYTES:
        raise StorageError(f"the database secret {place} is damaged: put back what belongs to this database")
    return Secret(value)


def role_password(secret: Secret, role: str) -> str:
    """The password of a role: 64 hex digits, safe in a URL."""
    return hmac.new(secret.reveal(), b"role:" + role.encode(), hashlib.sha256).hexdigest()


def secret_fingerprint(secret: Secret) -> bytes:
    """Sixteen bytes by which a database recognises its secret without knowing it."""
    return hmac.new(secret.reveal(), b"fingerprint", hashlib.sha256).digest()[:16]


def _create(path: Path) -> None:
    """Written aside and linked into place, so that two starters agree on one secret and none reads half of it."""
    aside = path.with_name(f"{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink()
