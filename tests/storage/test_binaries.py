"""Programs and accounts: an installation that the server's account cannot reach is copied, safely, once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.binaries import Account, find_installation, reachable_installation

NOBODY = Account(name="nobody", uid=65534, gid=65534)


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A directory that every account can reach."""
    with tempfile.TemporaryDirectory(prefix="th-open-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def closed_installation(tmp_path: Path) -> Path:
    """A small installation below a directory that is its owner's alone."""
    program = tmp_path / "home" / "pginstall18" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    (tmp_path / "home").chmod(0o700)
    return program.parent.parent


def test_the_bundled_server_is_of_the_version_we_say() -> None:
    """Of the two versions in the wheel, the newer."""
    told = subprocess.run([find_installation() / "bin" / "postgres", "-V"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("postgres (PostgreSQL) 18.")


def test_our_own_account_needs_no_copy(closed_installation: Path) -> None:
    """Without root, the server runs as we do."""
    assert reachable_installation(closed_installation, None) == closed_installation


def test_an_unreachable_installation_is_copied_once(closed_installation: Path, open_root: Path) -> None:
    """The copy runs, is found again, and is not confused with another build."""
    places = (open_root / "lib",)
    copy = reachable_installation(closed_installation, NOBODY, places)
    assert copy.parent == places[0]
    assert subprocess.run([copy / "bin" / "postgres"], capture_output=True, check=True).stdout == b"ran\n"
    assert reachable_installation(closed_installation, NOBODY, places) == copy
    (closed_installation / "bin" / "postgres").write_text("#!/bin/sh\necho newer\n")
    assert reachable_installation(closed_installation, NOBODY, places) != copy


def test_a_place_that_others_may_write_to_is_not_used(closed_installation: Path, open_root: Path) -> None:
    """Somebody could have put a program of his own there; the next place serves."""
    unsafe, safe = open_root / "unsafe", open_root / "safe"
    unsafe.mkdir()
    os.chmod(unsafe, 0o777)
    assert reachable_installation(closed_installation, NOBODY, (unsafe, safe)).parent == safe
    with pytest.raises(StorageError, match="nobody cannot reach PostgreSQL's programs"):
        reachable_installation(closed_installation, NOBODY, (unsafe,))
