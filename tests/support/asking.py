"""Asking: a request in every dialect, as its SDK would send it, and what a token of its model costs.

The prices are written here once more on purpose: a proof of what was booked must not ask the price book.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

STREAMED = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")
DIALECTS = (*STREAMED, "openai_embeddings")
MODELS = {
    "openai_chat": "gpt-4o-mini",
    "openai_responses": "gpt-4o-mini",
    "anthropic_messages": "claude-haiku-4-5",
    "gemini_generate": "gemini-2.5-flash",
    "openai_embeddings": "text-embedding-3-small",
}
NANO_USD_PER_TOKEN = {
    "gpt-4o-mini": (150, 600),
    "claude-haiku-4-5": (1_000, 5_000),
    "gemini-2.5-flash": (300, 2_500),
    "text-embedding-3-small": (20, 0),
}
"""Input and output, by model."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request without its credentials."""

    path: str
    headers: dict[str, str]
    body: bytes


def ask(dialect: str, prompt: str, *, stream: bool = False, most: int | None = None, tool: str | None = None) -> Asked:
    """`most` output tokens; `tool` is what the one tool that is offered will be called with."""
    body, path = _BODIES[dialect](prompt, stream, most, tool)
    headers = {"content-type": "application/json"}
    if dialect == "anthropic_messages":
        headers["anthropic-version"] = "2023-06-01"
    return Asked(path=path, headers=headers, body=json.dumps(body).encode())


def key_header(dialect: str, key: str) -> tuple[str, str]:
    """Where the dialect's SDK puts its key."""
    if dialect == "anthropic_messages":
        return "x-api-key", key
    if dialect == "gemini_generate":
        return "x-goog-api-key", key
    return "authorization", f"Bearer {key}"


def price(bill: dict[str, Any]) -> int:
    """What a bill of the simulated provider costs, in nano-USD. Its model may be a dated one."""
    rates = next(rates for model, rates in NANO_USD_PER_TOKEN.items() if str(bill["model"]).startswith(model))
    return int(bill["input_tokens"]) * rates[0] + int(bill["output_tokens"]) * rates[1]


def _parameters(tool: str) -> dict[str, object]:
    return {"type": "object", "properties": {"place": {"type": "string", "enum": [tool]}}}


def _chat(prompt: str, stream: bool, most: int | None, tool: str | None) -> tuple[dict[str, object], str]:
    body: dict[str, object] = {"model": MODELS["openai_chat"], "messages": [{"role": "user", "content": prompt}]}
    body |= {"stream": True} if stream else {}
    body |= {"max_completion_tokens": most} if most else {}
    if tool:
        function = {"name": "look_up", "description": tool, "parameters": _parameters(tool)}
        body["tools"] = [{"type": "function", "function": function}]
    return body, "/v1/chat/completions"


def _responses(prompt: str, stream: bool, most: int | None, tool: str | None) -> tuple[dict[str, object], str]:
    body: dict[str, object] = {"model": MODELS["openai_responses"], "input": prompt, "store": False}
    body |= {"stream": True} if stream else {}
    body |= {"max_output_tokens": most} if most else {}
    if tool:
        body["tools"] = [{"type": "function", "name": "look_up", "description": tool, "parameters": _parameters(tool)}]
    return body, "/v1/responses"


def _messages(prompt: str, stream: bool, most: int | None, tool: str | None) -> tuple[dict[str, object], str]:
    body: dict[str, object] = {"model": MODELS["anthropic_messages"], "max_tokens": most or 512}
    body["messages"] = [{"role": "user", "content": prompt}]
    body |= {"stream": True} if stream else {}
    if tool:
        body["tools"] = [{"name": "look_up", "description": tool, "input_schema": _parameters(tool)}]
    return body, "/v1/messages"


def _generate(prompt: str, stream: bool, most: int | None, tool: str | None) -> tuple[dict[str, object], str]:
    body: dict[str, object] = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    body |= {"generationConfig": {"maxOutputTokens": most}} if most else {}
    if tool:
        declaration = {"name": "look_up", "description": tool, "parameters": _parameters(tool)}
        body["tools"] = [{"functionDeclarations": [declaration]}]
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return body, f"/v1beta/models/{MODELS['gemini_generate']}:{verb}"


def _embeddings(prompt: str, stream: bool, most: int | None, tool: str | None) -> tuple[dict[str, object], str]:
    return {"model": MODELS["openai_embeddings"], "input": prompt}, "/v1/embeddings"


_BODIES = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _messages,
    "gemini_generate": _generate,
    "openai_embeddings": _embeddings,
}
