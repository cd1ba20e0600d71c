"""Dialogue: what one says to a provider in each dialect, as SDKs write it, and where each puts its key and errors."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from plain_http import written

RATES_NANO_USD = {"openai": (150, 600), "anthropic": (1000, 5000), "gemini": (300, 2500)}
"""A token in, a token out, of the models below at their list prices; on purpose not asked of the price book."""

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
TOOL_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `family` decides the key's header and the shape of errors."""

    family: str
    path: str
    body: dict[str, Any]

    def written(self, key: str, *, simulate: str = "", **headers: str) -> bytes:
        """Its bytes under a gateway key; underscores in names of headers are hyphens."""
        fields = {"content-type": "application/json"} | key_header(self.family, key)
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        if simulate:
            fields["x-simulate"] = simulate
        return written("POST", self.path, fields, json.dumps(self.body).encode())


def key_header(family: str, key: str) -> dict[str, str]:
    """Where the family's SDK puts its key."""
    if family == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return {"x-goog-api-key": key} if family == "gemini" else {"authorization": f"Bearer {key}"}


def chat(stream: bool = False, **more: Any) -> Ask:
    """OpenAI Chat Completions."""
    body = {"model": MODELS["openai"], "messages": [{"role": "user", "content": "How far is it?"}], "stream": stream}
    return Ask(family="openai", path="/v1/chat/completions", body=body | more)


def responses(stream: bool = False, **more: Any) -> Ask:
    """OpenAI Responses."""
    body = {"model": MODELS["openai"], "input": "How far is it?", "stream": stream}
    return Ask(family="openai", path="/v1/responses", body=body | more)


def messages(stream: bool = False, **more: Any) -> Ask:
    """Anthropic Messages."""
    said = [{"role": "user", "content": "How far is it?"}]
    body = {"model": MODELS["anthropic"], "max_tokens": 512, "messages": said, "stream": stream}
    return Ask(family="anthropic", path="/v1/messages", body=body | more)


def generate(stream: bool = False, *, array: bool = False, **more: Any) -> Ask:
    """Gemini; a stream is events, or one JSON array."""
    verb = "streamGenerateContent" if stream else "generateContent"
    query = "?alt=sse" if stream and not array else ""
    body = {"contents": [{"role": "user", "parts": [{"text": "How far is it?"}]}]}
    return Ask(family="gemini", path=f"/v1beta/models/{MODELS['gemini']}:{verb}{query}", body=body | more)


def tool_of(family: str) -> Any:
    """A tool in the family's spelling."""
    if family == "anthropic":
        return [{"name": "weather", "input_schema": TOOL_SCHEMA}]
    if family == "gemini":
        return [{"functionDeclarations": [{"name": "weather", "parameters": TOOL_SCHEMA}]}]
    return [{"type": "function", "function": {"name": "weather", "parameters": TOOL_SCHEMA}}]


def billed_nano_usd(family: str, bill: dict[str, Any] | None) -> int:
    """What the simulated provider's bill comes to at list prices; 0 without one."""
    if bill is None:
        return 0
    rate_in, rate_out = RATES_NANO_USD[family]
    return int(bill["input_tokens"]) * rate_in + int(bill["output_tokens"]) * rate_out


def error_code(family: str, body: Any) -> str:
    """The house's code out of an error body in the family's shape."""
    return str(_gemini_info(body)["reason"] if family == "gemini" else body["error"]["code"])


def error_message(body: Any) -> str:
    """The sentence for people, which all families have in the same place."""
    return str(body["error"]["message"])


def request_id_in(family: str, body: Any) -> str:
    """The request id out of an error body in the family's shape."""
    if family == "anthropic":
        return str(body["request_id"])
    return str(_gemini_info(body)["metadata"]["request_id"] if family == "gemini" else body["error"]["request_id"])


def _gemini_info(body: Any) -> Any:
    return body["error"]["details"][0]
