"""The deployment's peppers."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tollhouse.identity.pepper import PEPPER_FILE, load_peppers
from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.secret import Secret

ONE, TWO = "11" * 32, "22" * 32


def test_first_use_makes_a_private_file_and_later_uses_read_it(tmp_path: Path) -> None:
    """Mode 0600, and the same pepper ever after."""
    data_dir = tmp_path / "data"
    first, second = load_peppers(data_dir), load_peppers(data_dir)
    assert stat.S_IMODE((data_dir / PEPPER_FILE).stat().st_mode) == 0o600
    assert first.by_version[1].hmac(b"x") == second.by_version[1].hmac(b"x")
    assert os.listdir(data_dir) == [PEPPER_FILE]


def test_concurrent_starters_agree(tmp_path: Path) -> None:
    """Workers that start together use one pepper."""
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: load_peppers(tmp_path), range(16)))
    assert len({peppers.by_version[1].hmac(b"x") for peppers in loaded}) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The message says how to mend it."""
    load_peppers(tmp_path)
    (tmp_path / PEPPER_FILE).chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_peppers(tmp_path)


def test_symbolic_link_is_refused(tmp_path: Path) -> None:
    """Somebody else's file is not taken for ours."""
    load_peppers(tmp_path / "real")
    (tmp_path / PEPPER_FILE).symlink_to(tmp_path / "real" / PEPPER_FILE)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_peppers(tmp_path)


@pytest.mark.parametrize(
    "text", ["1:zz", f"1:{ONE}\n1:{TWO}", f"0:{ONE}", f"x:{ONE}", "1:1111", f"1:{ONE}\n2:", "9" * 5000 + ":" + ONE]
)
def test_damaged_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    """Nothing of the file stands in the message."""
    path = tmp_path / PEPPER_FILE
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(ConfigError, match="damaged") as caught:
        load_peppers(tmp_path)
    assert ONE not in str(caught.value)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    """An emptied file is not replaced, because every key depends on the one that was lost."""
    (tmp_path / PEPPER_FILE).touch(0o600)
    with pytest.raises(ConfigError, match="empty"):
        load_peppers(tmp_path)


def test_given_peppers_go_before_the_file(tmp_path: Path) -> None:
    """Several versions, the newest for new keys; no file is made; fingerprints keep to the oldest."""
    given = load_peppers(tmp_path, Secret(f"2:{TWO},1:{ONE}"))
    bare = load_peppers(tmp_path, Secret(ONE))
    assert (given.newest, sorted(given.by_version), bare.newest) == (2, [1, 2], 1)
    assert given.by_version[1].hmac(b"x") == bare.by_version[1].hmac(b"x") != given.by_version[2].hmac(b"x")
    assert given.fingerprint_key.reveal() == bare.fingerprint_key.reveal()
    assert list(tmp_path.iterdir()) == []
