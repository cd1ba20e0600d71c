"""The database for a command: whose it is, and what is started for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tollhouse.bootstrap.local import open_database, open_place, peppers_of
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.settings import Settings
from tollhouse.storage.attached import running_database
from tollhouse.storage.embedded import EmbeddedPostgres
from tollhouse.storage.migrate import migrate
from tollhouse.storage.postgres import DatabaseUrls
from tollhouse.storage.secret_file import load_secret


class Said(list[str]):
    """What a command would say on standard error."""

    def __call__(self, text: str) -> None:
        """Remembers."""
        self.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with a migrated database that does not run."""
    data_dir = tmp_path_factory.mktemp("local") / "data"
    with open_place(Settings(data_dir=data_dir), Said(), create=True) as place:
        migrate(place.owner_url, place.secret)
    yield data_dir
    shutil.rmtree(data_dir)


def _answers(urls: DatabaseUrls) -> bool:
    with psycopg.connect(urls.app) as connection:
        return connection.execute("SELECT count(*) FROM th.calls").fetchone() == (0,)


def test_started_for_the_command_and_stopped_after(made: Path) -> None:
    """And the person is told so."""
    said = Said()
    with open_database(Settings(data_dir=made), said) as urls:
        assert _answers(urls)
        assert running_database(made) is not None
    assert said[0] == "Tollhouse is not running: starting its database for this command"
    assert running_database(made) is None


def test_stopped_after_a_failure_too(made: Path) -> None:
    """Nothing is left running by a command that fails."""
    with pytest.raises(ValueError, match="a failure"), open_database(Settings(data_dir=made), Said()):
        raise ValueError("a failure")
    assert running_database(made) is None


def test_guest_of_a_running_server(made: Path) -> None:
    """It is used in silence and left running."""
    server = EmbeddedPostgres(made)
    server.start()
    try:
        said = Said()
        with open_database(Settings(data_dir=made), said, start=False) as urls:
            assert _answers(urls)
        assert said == []
        assert server.is_running()
    finally:
        server.stop()


def test_a_command_that_lasts_starts_nothing(made: Path) -> None:
    """It would keep `tollhouse up` out."""
    with (
        pytest.raises(StorageError, match="is not running over"),
        open_database(Settings(data_dir=made), Said(), start=False),
    ):
        pass


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    """A wrong directory stays as it is."""
    missing = tmp_path / "missing"
    with (
        pytest.raises(StorageError, match="there is no Tollhouse database"),
        open_database(Settings(data_dir=missing), Said()),
    ):
        pass
    assert not missing.exists()


def test_a_database_of_ones_own(database: DatabaseUrls, postgres_cluster: Any, tmp_path: Path) -> None:
    """With the secret that all hosts share."""
    given = Secret(postgres_cluster.secret.reveal().hex())
    settings = Settings(data_dir=tmp_path, database_url=database.owner, database_secret=given)
    with open_database(settings, Said()) as urls:
        assert _answers(urls)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_ones_own_without_its_secret(database: DatabaseUrls, tmp_path: Path) -> None:
    """None is invented: the roles' passwords would not fit."""
    settings = Settings(data_dir=tmp_path, database_url=database.owner)
    with pytest.raises(StorageError, match="has no database-secret"), open_database(settings, Said()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_peppers_are_not_invented_beside_a_shared_secret(tmp_path: Path) -> None:
    """Those of the data directory are, where the host stands alone."""
    shared = Settings(data_dir=tmp_path, database_secret=Secret("ab" * 32))
    with pytest.raises(ConfigError, match="TOLLHOUSE_PEPPER"):
        peppers_of(shared)
    assert peppers_of(Settings(data_dir=tmp_path)).newest == 1
    assert peppers_of(shared).newest == 1


def test_a_place_shows_no_password(database: DatabaseUrls, postgres_cluster: Any, tmp_path: Path) -> None:
    """Not even when it is printed."""
    load_secret(tmp_path)
    with open_place(Settings(data_dir=tmp_path, database_url=database.owner), Said()) as place:
        assert repr(place) == "Place(…)"
