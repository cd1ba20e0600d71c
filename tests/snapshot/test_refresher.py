"""Keeping the snapshot up to date, against a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tollhouse.identity.keys import NewKey, make_key
from tollhouse.identity.pepper import load_peppers
from tollhouse.identity.store import KeyDraft, KeyRow, create_key, revoke_key
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.settings import ProviderSetting, Settings
from tollhouse.snapshot.refresher import Refresher
from tollhouse.storage.postgres import DatabaseUrls, single_tenant_transaction

pytestmark = pytest.mark.anyio
KEY = make_key(bytes(range(48)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@contextlib.asynccontextmanager
async def running(url: str, settings: Settings) -> AsyncIterator[Refresher]:
    refresher = Refresher(url, settings)
    await refresher.start()
    task = asyncio.create_task(refresher.run())
    try:
        yield refresher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await refresher.stop()


async def until(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds that it took; the test fails if it takes longer."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
    return loop.time() - began_s


async def store(urls: DatabaseUrls, settings: Settings, key: NewKey) -> None:
    async with single_tenant_transaction(urls.app, DEFAULT_TENANT) as connection:
        row = await create_key(connection, DEFAULT_TENANT, KeyDraft(name="k"), key, load_peppers(settings.data_dir))
    assert isinstance(row, KeyRow)


def shut_out(urls: DatabaseUrls, allowed: bool) -> None:
    """Takes the gateway's right to log in and ends its connections, or gives the right back."""
    role = str(conninfo_to_dict(urls.gateway)["user"])
    word = sql.SQL("LOGIN" if allowed else "NOLOGIN")
    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(psycopg.connect(urls.owner, autocommit=True))
        # A role may end its own connections; this one is opened while it still may log in.
        gateway = None if allowed else stack.enter_context(psycopg.connect(urls.gateway, autocommit=True))
        owner.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), word))
        if gateway is not None:
            gateway.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
                (role,),
            )


async def test_start_loads_the_configuration(database: DatabaseUrls, settings: Settings) -> None:
    """The default workspace with its providers and the packaged price book."""
    refresher = Refresher(database.gateway, settings)
    await refresher.start()
    snapshot = refresher.current
    await refresher.stop()
    assert snapshot.workspaces[DEFAULT_TENANT].name == "default"
    assert "openai" in snapshot.workspaces[DEFAULT_TENANT].providers
    assert snapshot.book.prices
    assert 0.0 <= asyncio.get_running_loop().time() - snapshot.loaded_s < 5.0


async def test_new_and_revoked_keys_are_seen_within_a_second(database: DatabaseUrls, settings: Settings) -> None:
    """A revoked key is gone from the snapshot, whatever this host's clock says."""
    key_id = KEY.parsed.key_id
    async with running(database.gateway, settings) as refresher:
        await store(database, settings, KEY)
        await until(lambda: key_id in refresher.current.keys, 1.0)
        async with single_tenant_transaction(database.app, DEFAULT_TENANT) as connection:
            assert await revoke_key(connection, DEFAULT_TENANT, key_id) is not None
        await until(lambda: key_id not in refresher.current.keys, 1.0)


async def test_unchanged_configuration_is_confirmed(database: DatabaseUrls, settings: Settings) -> None:
    """The moment moves on, the version does not."""
    async with running(database.gateway, settings) as refresher:
        before = refresher.current
        await until(lambda: refresher.current.loaded_s > before.loaded_s, 2.0)
        assert refresher.current.version == before.version
        assert refresher.current.keys is before.keys


async def test_last_good_snapshot_stays_while_the_database_is_away(database: DatabaseUrls, settings: Settings) -> None:
    """It grows old, is never replaced by less, and what changed meanwhile is seen when the database is back."""
    async with running(database.gateway, settings) as refresher:
        await store(database, settings, KEY)
        await until(lambda: KEY.parsed.key_id in refresher.current.keys, 1.0)
        shut_out(database, allowed=False)
        await asyncio.sleep(0.5)
        kept = refresher.current
        other = make_key(bytes(48))
        await store(database, settings, other)
        await asyncio.sleep(0.8)
        assert refresher.current is kept
        assert asyncio.get_running_loop().time() - kept.loaded_s > 0.8
        shut_out(database, allowed=True)
        await until(lambda: other.parsed.key_id in refresher.current.keys, 2.0)


async def test_database_that_is_away_at_the_start_is_an_error(database: DatabaseUrls, settings: Settings) -> None:
    """There is nothing to serve from; the supervisor tries again."""
    shut_out(database, allowed=False)
    refresher = Refresher(database.gateway, settings)
    with pytest.raises(StorageError, match="database"):
        await refresher.start()


async def test_unusable_provider_is_an_error_at_once(tmp_path: Path) -> None:
    """Before any database is asked."""
    bad = Settings(data_dir=tmp_path, providers={"x": ProviderSetting(kind="nonsense")})
    with pytest.raises(ConfigError, match=r"providers\.x"):
        Refresher("host=nowhere.invalid", bad)
