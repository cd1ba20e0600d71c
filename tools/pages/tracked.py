"""The page that says what is recorded of a call and what is not, from `CallClosed`, its fields and a real event."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pages.table import MADE, table
from tollhouse.attribution.model import LABEL_NAMES
from tollhouse.attribution.rules import LABEL_HEADERS, METADATA_LABELS
from tollhouse.kernel.ids import DEFAULT_TENANT, KeyId, call_id
from tollhouse.ledger.event import cost_event, encode_event
from tollhouse.ledger.fields import FIELDS
from tollhouse.ledger.model import CallClosed

INTRODUCTION = """
# What is tracked

Of every call, Tollhouse records the fields in the table below and nothing else: the list is closed, and a test
compares this page with the code. They are written to the worker's journal when the call opens and when it closes, and
from there to the database of whoever runs Tollhouse. Nothing is sent to anybody else.
"""
NOT_TRACKED = """
## What is not recorded

- prompts, messages, system instructions, files, images, tool definitions, tool arguments, answers, embeddings;
- a hash, an excerpt, a summary or any other thing derived from their text; sizes and counts are the only exception;
- provider keys, gateway keys, cookies, tokens: of a gateway key its public id is kept, of a provider key in the vault
  its fingerprint;
- headers and a body's `metadata`, but for the [labels](#where-labels-come-from) that are declared below; of those the
  value as sent, at most 128 characters;
- the client's address, and the text of error messages, which may repeat what they choked on.

A label is what the client puts there: Tollhouse cannot know whether a name for a session is a person's name.
"""
LABELS = """
## Where labels come from

A label is what the gateway key fixes; else what a header of the call says; else what the body's `metadata` says; else
the key's default. `metadata` goes on to the provider as it came: Tollhouse reads its string values under the names
below, and keeps no other, `user_id` in particular. Only the dialects that have such an object (OpenAI's chat and
responses, Anthropic's messages) are looked into. The headers are never forwarded.

"""
FLOW = """
## Where it goes

```
 client ──── request ────▶ gateway worker ──── the same bytes ────▶ provider
        ◀─── answer ─────        │        ◀──── the same bytes ────
                                 │  bodies pass through memory and end there
                                 │
                                 ├─ opened, progress, closed ─▶ journal (files in the data directory)
                                 │                                 │ shipped in batches, kept for a while after
                                 │                                 ▼
                                 │                              PostgreSQL: calls, totals by label
                                 │                                 │
                                 │                                 └─▶ command line: calls, spend, explain
                                 ├─ counts without names ─────▶ /metrics
                                 └─ ids and codes of faults ──▶ log (log/tollhouse.log, or standard error)
```
"""
DURING = """
## While a call runs

The journal's entry of an opening call (`CallOpened`) has the fields that are known by then, and the bounds from which
a lost call is settled (`input_tokens_max`, `output_tokens_max`). An open stream adds, at most every two seconds, what
was metered so far (`CallProgress`): counts, cost and the model. Both are deleted with their segment once it was shipped
and its time is over.
"""


def page() -> str:
    """Markdown."""
    return "".join((MADE, INTRODUCTION, NOT_TRACKED, _fields(), LABELS, _label_sources(), DURING, FLOW, _event()))


def undescribed() -> set[str]:
    """Fields of a closed call without a meaning, and meanings without a field."""
    return set(CallClosed.__struct_fields__) ^ FIELDS.keys()


def _fields() -> str:
    rows = [(f"`{name}`", field.meaning, field.unit, field.source) for name, field in FIELDS.items()]
    return (
        "\n## What is recorded of a call\n\n"
        "Money is a whole number of nano-USD, a billionth of a dollar. A field is empty where nobody said or nothing\n"
        "is known.\n\n"
        f"{table(('field', 'meaning', 'unit', 'who says it'), rows)}"
    )


def _label_sources() -> str:
    """A row for each label: every header and every name in `metadata` that can say it."""
    rows = []
    for label in LABEL_NAMES:
        headers = sorted((rank, name.decode()) for name, (said, rank) in LABEL_HEADERS.items() if said == label)
        names = [name for name, said in METADATA_LABELS.items() if said == label]
        rows.append((f"`{label}`", _quoted(name for _, name in headers), _quoted(names)))
    return table(("label", "header, the first wins", "name in `metadata`"), rows)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _event() -> str:
    line = msgspec.json.format(encode_event(cost_event(_example())), indent=2).decode()
    return (
        "\n## The cost event\n\n"
        "What users see of a call (command line with `--json`) is this object. `input_tokens` is all input, cached\n"
        "included; `cost_usd` is the exact decimal of `cost_nano_usd`; `null` means that it is not known.\n\n"
        f"```json\n{line}\n```\n"
    )


def _example() -> CallClosed:
    started_ms = 1_774_521_000_000
    return CallClosed(
        call_id=call_id(started_ms, bytes(range(10))),
        tenant_id=DEFAULT_TENANT,
        started_ms=started_ms,
        key_id=KeyId("ExampleKey01"),
        dialect="anthropic_messages",
        operation="chat",
        provider="anthropic",
        requested_model="claude-sonnet-4-6",
        model="claude-sonnet-4-6",
        credential_mode="passthrough",
        credential_ref="passthrough",
        team="ml-research",
        app="chatbot",
        feature="customer-support",
        session_id="user-query-123",
        snapshot_version=12,
        price_book_version="2026.03.20",
        price_id="anthropic/claude-sonnet-4-6/1",
        outcome="completed",
        status=200,
        provider_status=200,
        latency_ms=1200,
        input_tokens=150,
        output_tokens=320,
        cache_read_tokens=0,
        cache_write_tokens=0,
        usage_source="reported",
        cost_nano_usd=5_250_000,
        price_status="priced",
        provider_request_id="req_example",
        provider_response_id="msg_example",
        attempts=1,
    )
