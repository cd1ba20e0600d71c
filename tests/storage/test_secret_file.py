"""The database secret: made once, kept private, and passwords that follow from it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.secret_file import SECRET_BYTES, SECRET_FILE, load_secret, role_password, secret_fingerprint


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    """Random, for its owner's eyes alone, and nothing beside it is left."""
    first = load_secret(tmp_path)
    assert len(first.reveal()) == SECRET_BYTES
    assert load_secret(tmp_path).reveal() == first.reveal()
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o777 == 0o600


def test_starters_at_once_agree(tmp_path: Path) -> None:
    """Whoever is first makes it; nobody reads half of it or keeps another."""
    with ThreadPoolExecutor(8) as threads:
        found = {secret.reveal() for secret in threads.map(load_secret, [tmp_path] * 64)}
    assert found == {load_secret(tmp_path).reveal()}
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]


def test_a_secret_that_was_given_goes_first(tmp_path: Path) -> None:
    """Hosts that share a database share it; no file is made."""
    assert load_secret(tmp_path, Secret("ab" * 32)).reveal() == b"\xab" * 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "ab" * 31, "zz" * 32, "\u20ac" * 64])
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, content: str) -> None:
    """A new secret would shut everybody out of the database; what the file holds is not shown."""
    (tmp_path / SECRET_FILE).write_text(content)
    with pytest.raises(StorageError, match=rf"the database secret .*{SECRET_FILE}") as caught:
        load_secret(tmp_path)
    assert content == "" or content not in str(caught.value)
    assert (tmp_path / SECRET_FILE).read_text() == content


@pytest.mark.parametrize("given", ["ab" * 31, "not in hex digits", "\u00e9" * 64])
def test_a_bad_secret_that_was_given_is_an_error(tmp_path: Path, given: str) -> None:
    """And not shown either."""
    with pytest.raises(StorageError, match="the database secret") as caught:
        load_secret(tmp_path, Secret(given))
    assert given not in str(caught.value)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(StorageError, match=r"missing.* cannot be read or made: FileNotFoundError"):
        load_secret(tmp_path / "missing")
    assert os.listdir(tmp_path) == []


def test_each_role_has_a_password_of_its_own() -> None:
    """It follows from secret and name, is safe in a URL, and does not tell the secret."""
    secret, other = Secret(bytes(32)), Secret(bytes(31) + b"\x01")
    passwords = [role_password(secret, "app"), role_password(secret, "gateway"), role_password(other, "app")]
    assert len(set(passwords)) == 3
    assert passwords[0] == role_password(Secret(bytes(32)), "app")
    assert all(len(password) == 64 and password.isalnum() for password in passwords)


def test_a_database_knows_its_secret_by_a_fingerprint() -> None:
    """Sixteen bytes, no part of a password."""
    secret, other = Secret(bytes(32)), Secret(bytes(31) + b"\x01")
    assert len(secret_fingerprint(secret)) == 16
    assert secret_fingerprint(secret) == secret_fingerprint(Secret(bytes(32)))
    assert secret_fingerprint(secret) != secret_fingerprint(other)
    assert role_password(secret, "fingerprint")[:32] != secret_fingerprint(secret).hex()
