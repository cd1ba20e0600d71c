"""The deployment's peppers: versioned keys of the HMACs that stand for gateway keys in the database.

They come from the operator (`TOLLHOUSE_PEPPER`), or from a file in the data directory that is made on first use, mode
0600, synced before any key depends on it. A file that others can read is refused, not mended: whoever read it has it.
New keys are made under the newest version; the older ones stay until no key needs them.
Never shows a pepper; never replaces a file that is there. Losing the file invalidates every gateway key.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tollhouse.identity.keys import Pepper
from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.secret import Secret

PEPPER_FILE = "peppers"
PEPPER_BYTES = 32
_FILE_BYTES_MAX = 16 * 1024
_FINGERPRINT_PURPOSE = b"tollhouse fingerprint key v1"


class Peppers(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All versions, and the one under which new keys are made."""

    by_version: Mapping[int, Pepper]
    newest: int
    fingerprint_key: Secret
    """Derived from the oldest version, so that fingerprints of provider keys outlive a rotation."""


def load_peppers(data_dir: Path, given: Secret | None = None) -> Peppers:
    """The peppers that were given, else those of the data directory, made if there are none.

    `given` is `VERSION:HEX[,VERSION:HEX…]`, or one bare HEX for version 1; the file has one such pair a line.
    ConfigError if they cannot be read, are malformed, or can be read by others.
    """
    if given is not None:
        return _parse(given.reveal().decode("utf-8", "replace").split(","), "TOLLHOUSE_PEPPER")
    path = data_dir / PEPPER_FILE
    try:
        if not path.exists():
            _create(path)
        text = _read_private(path)
    except OSError as error:
        raise ConfigError(f"the pepper file {path} cannot be read or made: {error.strerror}") from error
    return _parse(text.splitlines(), f"the pepper file {path}")


def _read_private(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"the pepper file {path} must be a regular file that only its owner can read: "
                f"if nobody else has read it, run 'chmod 600 {path}'"
            )
        return file.read(_FILE_BYTES_MAX).decode("utf-8", "replace")


def _create(path: Path) -> None:
    """Written aside and linked into place, so that two starters agree on one pepper and none reads half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{PEPPER_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"1:{secrets.token_hex(PEPPER_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return  # another starter was first; its pepper is the one
        _sync_directory(path.parent)
    finally:
        aside.unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse(entries: list[str], place: str) -> Peppers:
    peppers: dict[int, Pepper] = {}
    for entry in (entry.strip() for entry in entries):
        if not entry:
            continue
        version_text, separator, digits = entry.rpartition(":")
        version = _version(version_text if separator else "1")
        value = _bytes_of(digits)
        if version is None or version in peppers or value is None:
            raise ConfigError(
                f"{place} is damaged: expected VERSION:HEX with {PEPPER_BYTES} bytes in hex, each version once"
            )
        peppers[version] = Pepper(Secret(value))
    if not peppers:
        raise ConfigError(f"{place} is empty: put back the one that belongs to this database")
    return Peppers(
        by_version=peppers,
        newest=max(peppers),
        fingerprint_key=Secret(peppers[min(peppers)].hmac(_FINGERPRINT_PURPOSE)),
    )


def _version(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,3}", text, re.ASCII) else None


def _bytes_of(digits: str) -> bytes | None:
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        # The caller answers for it with a message that does not repeat the digits.
        return None
    return value if len(value) == PEPPER_BYTES else None
