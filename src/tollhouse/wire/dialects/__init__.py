"""Dialects: one pair of files per wire format - how its request is read, how its answer is observed.

A dialect has N readers and N writers, never a file per pair. `base.py` has the protocol that all furnish; the two
functions here choose by the call's dialect.
"""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Dialect, Reported, Route
from tollhouse.wire.dialects import (
    anthropic_messages,
    free,
    gemini_generate,
    openai_chat,
    openai_embeddings,
    openai_responses,
    raw,
)
from tollhouse.wire.dialects.anthropic_messages_answer import MessagesObserver
from tollhouse.wire.dialects.base import AnswerReader
from tollhouse.wire.dialects.gemini_generate_answer import GenerateObserver
from tollhouse.wire.dialects.observing import WHOLE_BYTES_MAX, Observer, PassingReader, Sniffer
from tollhouse.wire.dialects.openai_chat_answer import ChatObserver
from tollhouse.wire.dialects.openai_embeddings_answer import EmbeddingsObserver
from tollhouse.wire.dialects.openai_responses_answer import ResponsesObserver
from tollhouse.wire.dialects.usage_asking import inject_usage

__all__ = ["AnswerReader", "answer_reader", "inject_usage", "read_request", "read_whole"]

_READERS = {
    Dialect.OPENAI_CHAT: openai_chat.read_request,
    Dialect.OPENAI_RESPONSES: openai_responses.read_request,
    Dialect.OPENAI_EMBEDDINGS: openai_embeddings.read_request,
    Dialect.ANTHROPIC_MESSAGES: anthropic_messages.read_request,
    Dialect.GEMINI_GENERATE: gemini_generate.read_request,
    Dialect.FREE: free.read_request,
    Dialect.RAW: raw.read_request,
}


def read_request(route: Route, body: bytes) -> Call | Refusal:
    """The call that a route and its body make, or why it cannot be served."""
    return _READERS[route.dialect](route, body)


def answer_reader(call: Call, content_type: str | None, status: int, strip_usage: bool) -> AnswerReader:
    """What observes the answer to a call.

    `strip_usage`: take out the chunk that carries nothing but usage, because only the gateway asked for it; a
    successful stream alone has one. An answer that says it is neither JSON nor events (audio, a file) passes unread.
    """
    observer = _observer(call)
    if observer is None or (content_type and not _is_readable(content_type)):
        return PassingReader(Reported(choices=call.choices))
    return Sniffer(observer, strip_usage and call.stream and status < 400)


def read_whole(call: Call, content_type: str | None, body: bytes) -> Reported:
    """What an answer says that has come in one piece; `answer_reader` gives the same for any cut."""
    observer = _observer(call)
    if observer is None or (content_type and not _is_readable(content_type)):
        return Reported(choices=call.choices, finished=True)
    if body.startswith(b"{") and len(body) <= WHOLE_BYTES_MAX:
        observer.whole(body)
        observer.end()
    else:
        sniffer = Sniffer(observer, strip=False)
        sniffer.feed(body)
        sniffer.finish()
    return observer.reported


@lru_cache(maxsize=64)
def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("application/json", "text/event-stream", "text/plain", "application/x-ndjson") or "json" in kind


def _observer(call: Call) -> Observer | None:
    """None where nothing is to be read."""
    dialect = call.route.dialect
    match dialect:
        case Dialect.OPENAI_CHAT:
            return ChatObserver(call.choices)
        case Dialect.OPENAI_RESPONSES:
            return ResponsesObserver()
        case Dialect.OPENAI_EMBEDDINGS:
            return EmbeddingsObserver()
        case Dialect.ANTHROPIC_MESSAGES:
            return MessagesObserver()
        case Dialect.GEMINI_GENERATE:
            return GenerateObserver(call.choices)
        case Dialect.FREE | Dialect.RAW:
            return None
        case _:
            assert_never(dialect)
