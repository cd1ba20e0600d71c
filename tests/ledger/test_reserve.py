"""Space set aside: really allocated, given back a step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tollhouse.ledger.reserve import STEP_BYTES, Reserve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the reserve lies."""
    return tmp_path / "reserve"


@pytest.fixture
def reserve(path: Path) -> Iterator[Reserve]:
    """Two steps and a bit."""
    made = Reserve(path, 2 * STEP_BYTES + 100)
    yield made
    made.close()


def test_nothing_is_set_aside_before_it_is_filled(reserve: Reserve) -> None:
    """Given a new reserve, when nothing was filled, then there is nothing to release."""
    assert reserve.left == 0
    assert reserve.release_step() is False


def test_its_blocks_are_allocated(reserve: Reserve, path: Path) -> None:
    """Given a filled reserve, when looked at, then it takes its space on the disk, and only its owner may read it."""
    reserve.fill()
    status = path.stat()
    assert reserve.left == status.st_size == 2 * STEP_BYTES + 100
    assert status.st_blocks * 512 >= status.st_size
    assert status.st_mode & 0o777 == 0o600


def test_it_goes_a_step_at_a_time_and_the_last_is_what_is_left(reserve: Reserve) -> None:
    """Given a filled reserve, when released until nothing is left, then each step is told, and then that it is over."""
    reserve.fill()
    sizes = []
    while reserve.release_step():
        sizes.append(reserve.left)
    assert sizes == [STEP_BYTES + 100, 100, 0]
    assert reserve.release_step() is False


def test_filling_again_makes_it_whole(reserve: Reserve) -> None:
    """Given a reserve that gave some back, when filled, then it has its size again; a full one is left as it is."""
    reserve.fill()
    reserve.release_step()
    reserve.fill()
    reserve.fill()
    assert reserve.left == 2 * STEP_BYTES + 100


def test_a_reserve_of_nothing_stays_empty(tmp_path: Path) -> None:
    """Given a size of zero, when filled, then nothing is allocated and nothing fails."""
    none = Reserve(tmp_path / "none", 0)
    none.fill()
    assert (none.left, none.release_step()) == (0, False)
    none.close()


def test_the_file_outlives_its_owner(reserve: Reserve, path: Path) -> None:
    """Given a reserve that was let go of, when another is made there, then it has what is left."""
    reserve.fill()
    reserve.release_step()
    again = Reserve(path, 10)
    assert again.left == STEP_BYTES + 100
    again.fill()
    assert again.left == STEP_BYTES + 100
    again.close()


def test_no_space_is_an_error_and_nothing_is_taken_for_set_aside(tmp_path: Path) -> None:
    """Given more than any disk has, when filled, then it fails, and nothing is left to release."""
    greedy = Reserve(tmp_path / "greedy", 1 << 62)
    with pytest.raises(OSError, match=r"large|space"):
        greedy.fill()
    assert greedy.left == 0
    greedy.close()
