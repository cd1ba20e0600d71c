"""The demo: a workspace with keys that hold from start to start, and what a person needs to try it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tollhouse.bootstrap.demo import (
    DEMO_FILE,
    DEMO_WORKSPACE,
    SIMULATED,
    Demo,
    new_tenant_id,
    prepare_demo,
    read_demo_file,
    write_demo_file,
)
from tollhouse.identity.keys import parse_key
from tollhouse.identity.store import list_keys, list_workspaces, revoke_key
from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId
from tollhouse.settings import ProviderSetting, Settings
from tollhouse.storage.postgres import DatabaseUrls, single_tenant_transaction

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:8080"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a data directory of its own."""
    return Settings(data_dir=tmp_path, providers={"own": ProviderSetting(kind="openai")})


async def demo_tenant(database: DatabaseUrls) -> TenantId:
    """The one workspace of the demo."""
    (found,) = [one.tenant_id for one in await list_workspaces(database.owner) if one.name == DEMO_WORKSPACE]
    return found


def key_id(text: str) -> str:
    """The part of a key that may be shown."""
    parsed = parse_key(text.encode())
    assert parsed is not None
    return parsed.key_id


async def test_a_first_start_makes_a_workspace_and_two_keys(settings: Settings, database: DatabaseUrls) -> None:
    """One for the simulated provider, one of the default workspace for a provider key of one's own."""
    demo = await prepare_demo(settings, database)
    tenant = await demo_tenant(database)
    for owner, key in ((tenant, demo.key), (DEFAULT_TENANT, demo.own_key)):
        async with single_tenant_transaction(database.app, owner) as connection:
            assert [row.key_id for row in await list_keys(connection, owner)] == [key_id(key)]


async def test_keys_hold_from_start_to_start(settings: Settings, database: DatabaseUrls) -> None:
    """What a person has copied goes on working; only a revoked key is replaced."""
    first = await prepare_demo(settings, database)
    write_demo_file(settings.data_dir, first, URL)
    assert await prepare_demo(settings, database) == first
    tenant = await demo_tenant(database)
    parsed = parse_key(first.key.encode())
    assert parsed is not None
    async with single_tenant_transaction(database.app, tenant) as connection:
        await revoke_key(connection, tenant, parsed.key_id)
    second = await prepare_demo(settings, database)
    assert second.own_key == first.own_key
    assert second.key != first.key


async def test_a_key_of_another_database_is_not_believed(settings: Settings, database: DatabaseUrls) -> None:
    """A file that a restored or emptied database does not know of gives way, and so does a damaged one."""
    strange = Demo(key="th_strange", own_key="th_k3yA0b1C2d3E", simulator_port=1)
    write_demo_file(settings.data_dir, strange, URL)
    demo = await prepare_demo(settings, database)
    assert demo.key != strange.key and demo.own_key != strange.own_key
    (settings.data_dir / DEMO_FILE).write_text("{")
    assert read_demo_file(settings.data_dir) is None


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It says where everything is; it is replaced as a whole."""
    demo = Demo(key="k", own_key="o", simulator_port=9)
    for url in ("http://old", URL):
        write_demo_file(tmp_path, demo, url)
    file = read_demo_file(tmp_path)
    assert file is not None
    assert (file.gateway_url, file.simulator_url, file.key, file.own_key) == (URL, "http://127.0.0.1:9", "k", "o")
    assert [path.name for path in tmp_path.iterdir()] == [DEMO_FILE]
    assert (tmp_path / DEMO_FILE).stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """And none is found where none can be read."""
    with pytest.raises(ConfigError, match=r"cannot write .*demo\.json: No such file"):
        write_demo_file(tmp_path / "missing", Demo(key="k", own_key="o", simulator_port=9), URL)
    assert read_demo_file(tmp_path / "missing") is None


async def test_the_demo_workspace_has_simulated_providers(settings: Settings) -> None:
    """Beside what was configured, which stays as it is."""
    made = Demo(key="k", own_key="o", simulator_port=9).settings(settings)
    assert made.providers["own"] == settings.providers["own"]
    for name in SIMULATED:
        provider = made.providers[f"{DEMO_WORKSPACE}/{name}"]
        assert (provider.kind, provider.base_url) == (name, "http://127.0.0.1:9")
        assert (provider.allow_private, provider.workspace) == (True, DEMO_WORKSPACE)
        assert made.credentials[f"{DEMO_WORKSPACE}/{name}"]
    assert set(made.providers) == {"own", *(f"{DEMO_WORKSPACE}/{name}" for name in SIMULATED)}


async def test_the_invitation_works_as_it_is() -> None:
    """Both keys in commands to copy, against the gateway's own address."""
    lines = Demo(key="key-one", own_key="key-two", simulator_port=9).invitation(URL)
    commands = [line for line in lines if "curl" in line]
    assert len(commands) == 2
    assert all(f"{URL}/v1/chat/completions" in line for line in commands)
    assert "Bearer key-one'" in commands[0]
    assert "Bearer $OPENAI_API_KEY" in commands[1] and "x-tollhouse-key: key-two'" in commands[1]


async def test_tenant_ids_are_in_the_order_of_their_making() -> None:
    """UUIDs of version 7, none twice."""
    made = [UUID(new_tenant_id()) for _ in range(100)]
    assert len(set(made)) == 100
    assert {one.version for one in made} == {7}
    assert made[0].int >> 80 <= made[-1].int >> 80
