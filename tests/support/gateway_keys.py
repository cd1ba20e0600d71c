"""Gateway keys of a running stack, made and revoked as the command line does, in this process: its moment is known."""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from stack import Stack
from tollhouse.identity.keys import RANDOM_BYTES, NewKey, make_key
from tollhouse.identity.pepper import load_peppers
from tollhouse.identity.store import KeyDraft, create_key, revoke_key
from tollhouse.kernel.ids import DEFAULT_TENANT
from tollhouse.storage.postgres import DatabaseUrls, database_urls, single_tenant_transaction
from tollhouse.storage.secret_file import load_secret


def make_gateway_key(stack: Stack) -> NewKey:
    """A key of the default workspace; the workers know it within half a second."""
    key = make_key(secrets.token_bytes(RANDOM_BYTES))

    async def store() -> None:
        async with single_tenant_transaction(_urls(stack).app, DEFAULT_TENANT) as connection:
            peppers = load_peppers(stack.data_dir, None)
            made = await create_key(connection, DEFAULT_TENANT, KeyDraft(name="of a test"), key, peppers)
            assert isinstance(made, msgspec.Struct)

    asyncio.run(store())
    return key


def revoke_gateway_key(stack: Stack, key: NewKey) -> None:
    """Returns when the revocation is committed."""

    async def revoke() -> None:
        async with single_tenant_transaction(_urls(stack).app, DEFAULT_TENANT) as connection:
            assert await revoke_key(connection, DEFAULT_TENANT, key.parsed.key_id) is not None

    asyncio.run(revoke())


def _urls(stack: Stack) -> DatabaseUrls:
    return database_urls(stack.owner_url(), load_secret(stack.data_dir))
