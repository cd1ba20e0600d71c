"""The demo: a workspace whose providers are simulated, a key for it, and a key of the default workspace for one's own
provider key. What a person needs to try it stands in `demo.json` in the data directory.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import msgspec

from tollhouse.identity.keys import KEY_HEAD, RANDOM_BYTES, make_key, parse_key, show_once
from tollhouse.identity.pepper import load_peppers
from tollhouse.identity.store import KeyDraft, create_key, create_workspace, list_keys, list_workspaces
from tollhouse.kernel.errors import ConfigError, StorageError
from tollhouse.kernel.ids import DEFAULT_TENANT, TenantId, call_id
from tollhouse.kernel.refusal import Refusal
from tollhouse.kernel.secret import Secret
from tollhouse.settings import ProviderSetting, Settings
from tollhouse.storage.postgres import DatabaseUrls, single_tenant_transaction

DEMO_WORKSPACE = "demo"
DEMO_FILE = "demo.json"
SIMULATED = ("openai", "anthropic", "gemini")
SIMULATED_KEY = "sk-simulated"


class DemoFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `demo.json` says."""

    gateway_url: str
    console_url: str | None
    simulator_url: str
    key: str
    own_key: str


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's keys and where its simulated provider listens (0: a free port)."""

    key: str
    own_key: str
    simulator_port: int

    def settings(self, settings: Settings) -> Settings:
        """The settings with the simulated provider as the demo workspace's openai, anthropic and gemini."""
        providers: dict[str, ProviderSetting] = dict(settings.providers)
        credentials: dict[str, Secret] = dict(settings.credentials)
        for name in SIMULATED:
            at = f"{DEMO_WORKSPACE}/{name}"
            providers[at] = ProviderSetting(
                kind=name, base_url=self.simulator_url, allow_private=True, workspace=DEMO_WORKSPACE
            )
            credentials[at] = Secret(SIMULATED_KEY)
        return msgspec.structs.replace(settings, providers=providers, credentials=credentials)

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    def invitation(self, gateway_url: str) -> list[str]:
        """Lines for the terminal: one that works as it is, one for a provider key of one's own."""
        body = """'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'"""
        call = f"curl -si {gateway_url}/v1/chat/completions -H 'content-type: application/json' -d {body}"
        return [
            f"simulator {self.simulator_url}",
            "",
            "Try it (a simulated provider answers):",
            f"  {call} -H 'authorization: Bearer {self.key}'",
            "",
            "With your own OpenAI key, which passes through and is not stored:",
            f"  {call} -H \"authorization: Bearer $OPENAI_API_KEY\" -H 'x-tollhouse-key: {self.own_key}'",
            "",
        ]


async def prepare_demo(settings: Settings, urls: DatabaseUrls) -> Demo:
    """The demo workspace and the two keys; those of an earlier start where they still hold."""
    tenant = await _demo_tenant(urls)
    known = read_demo_file(settings.data_dir)
    return Demo(
        key=await _key_of(settings, urls, tenant, known.key if known else None),
        own_key=await _key_of(settings, urls, DEFAULT_TENANT, known.own_key if known else None),
        simulator_port=0,
    )


async def _demo_tenant(urls: DatabaseUrls) -> TenantId:
    for workspace in await list_workspaces(urls.owner):
        if workspace.name == DEMO_WORKSPACE:
            return workspace.tenant_id
    made = await create_workspace(urls.owner, new_tenant_id(), DEMO_WORKSPACE)
    if made is None:
        raise StorageError("the demo workspace was being made by somebody else; start again")
    return made.tenant_id


def new_tenant_id() -> TenantId:
    """A fresh tenant id: a UUIDv7 in its dashed form."""
    digits = call_id(time.time_ns() // 1_000_000, os.urandom(10))
    return TenantId("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))


def read_demo_file(data_dir: Path) -> DemoFile | None:
    """The last demo's file; None if there is none that can be read."""
    try:
        return msgspec.json.decode((data_dir / DEMO_FILE).read_bytes(), type=DemoFile)
    except (OSError, msgspec.DecodeError):
        # Absent, or of another version: new keys are made.
        return None


def write_demo_file(data_dir: Path, demo: Demo, gateway_url: str) -> None:
    """Writes `demo.json`, readable by its owner alone. ConfigError if that cannot be done."""
    content = DemoFile(
        gateway_url=gateway_url,
        console_url=None,
        simulator_url=demo.simulator_url,
        key=demo.key,
        own_key=demo.own_key,
    )
    path = data_dir / DEMO_FILE
    try:
        descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
        os.replace(path.with_suffix(".new"), path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


async def _key_of(settings: Settings, urls: DatabaseUrls, tenant: TenantId, known: str | None) -> str:
    async with single_tenant_transaction(urls.app, tenant) as connection:
        parsed = parse_key(known.encode()) if known and known.startswith(KEY_HEAD.decode()) else None
        rows = {row.key_id: row for row in await list_keys(connection, tenant)}
        if known and parsed is not None and parsed.key_id in rows and rows[parsed.key_id].revoked_at is None:
            return known
        key = make_key(secrets.token_bytes(RANDOM_BYTES))
        peppers = load_peppers(settings.data_dir, settings.pepper)
        made = await create_key(connection, tenant, KeyDraft(name="demo"), key, peppers)
        if isinstance(made, Refusal):
            raise StorageError(f"the demo key was refused: {made.message}")
    return show_once(key)
