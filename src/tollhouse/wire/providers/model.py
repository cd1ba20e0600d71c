"""What is known of a kind of provider: where it is, how it takes its key, what it does its own way."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tollhouse.wire.call import Family


class KeyPlacement(StrEnum):
    """The header that carries the provider's key; the value is the header's name."""

    BEARER = "authorization"
    """`authorization: Bearer KEY`."""
    X_API_KEY = "x-api-key"
    X_GOOG_API_KEY = "x-goog-api-key"

    def header_value(self, key: bytes) -> bytes:
        """What the header says of a key."""
        return b"Bearer " + key if self is KeyPlacement.BEARER else key


class ProviderKind(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table."""

    name: str
    family: Family
    base_url: str | None
    """Scheme and host; None where only its operator knows."""
    key: KeyPlacement = KeyPlacement.BEARER
    needs_key: bool = True
    """False for servers that people run themselves: without a key of ours they are called without one."""
    pricing: str
    """Provider id in the price book."""
    version_path: str = "/v1"
    """What stands here where OpenAI's own paths have `/v1`; other families keep their paths."""
    default_headers: tuple[tuple[str, str], ...] = ()
    """Sent where the client did not send a header of that name."""
    takes_stream_options: bool = True
    """Whether usage of a chat stream may be asked for: some reject the field, and report usage anyway."""
