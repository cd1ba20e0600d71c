"""Call: one client request as the wire tells it - its dialect, operation, model, and the original bytes.

A `Route` is read from the head alone (method, path, a few headers); a `Call` also from the body.
Nothing here is logged or stored as such: the ledger takes a closed list of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Family(StrEnum):
    """Whose SDK is speaking: decides the shape of errors and the default provider of a path."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock"


class Dialect(StrEnum):
    """A wire format whose usage we can read; RAW passes unread and is flagged `unmetered`."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    OPENAI_EMBEDDINGS = "openai_embeddings"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI_GENERATE = "gemini_generate"
    FREE = "free"
    """A call that providers do not bill: model lists, token counts."""
    RAW = "raw"


class Operation(StrEnum):
    """`gen_ai.operation.name` where OpenTelemetry has one."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    GENERATE_CONTENT = "generate_content"
    MODELS = "models"
    COUNT_TOKENS = "count_tokens"
    RAW = "raw"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What the head alone says of a call."""

    family: Family
    dialect: Dialect
    operation: Operation
    provider: str | None
    """Name from `/providers/{name}/…`; None where the path's default provider serves."""
    upstream_path: str
    """Path at the provider, beginning with '/', percent-encoding untouched, without the query."""
    model: str | None = None
    """Where the path carries it (Gemini)."""
    stream: bool | None = None
    """Where the path decides it (Gemini); None where the body does."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One client request, read no further than metering, routing and holds need."""

    route: Route
    model: str
    """As requested; '' where the operation has none. At most 200 characters of a model id's alphabet."""
    stream: bool
    body: bytes
    """The client's bytes, decoded from any content encoding only if the client sent one."""
    max_output_tokens: int | None = None
    choices: int = 1
    """`n`, `candidateCount`."""
    asked_usage: bool = True
    """False where the dialect streams usage only on request and the client did not ask (OpenAI Chat)."""
    referenced: bool = False
    """Input that is not in the body: file ids, URLs, a previous response."""
    unbounded: bool = False
    """Server tools without a cap: no sound ceiling can be known."""
    metadata: Mapping[str, str] = {}
    """String values of the body's `metadata`, at most 16; attribution picks declared labels from it."""


class Reported(msgspec.Struct, kw_only=True):
    """What a provider said of one answer, gathered while it passes. Mutable: a reader owns one."""

    usage: dict[str, object] | None = None
    """The usage object that counts (last one seen, merged as the dialect demands), numbers and nesting only."""
    usage_plain: bool = False
    """`usage` is just what OpenAI documents for chat: known names and whole counts, nothing else."""
    usage_first: dict[str, object] | None = None
    """The first usage object of a stream, where it differs."""
    model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    error_code: str | None = None
    """Code or type of an error inside the body or stream; never its message."""
    finished: bool = False
    """The answer reached the end that its dialect defines."""
    output_bytes: int = 0
    """UTF-8 bytes of generated text, reasoning and tool arguments delivered so far."""
    events: int = 0
    choices: int = 1
    server_tools: dict[str, int] = msgspec.field(default_factory=dict)
    """Calls of the provider's own tools that the answer lists, by item type (`file_search_call`); some have a fee."""
    flags: tuple[str, ...] = ()
    """What could not be observed: `usage_cut`, `event_unreadable`, `event_too_long`, `answer_too_long`,
    `answer_unreadable`."""
