"""Model lists of all three providers, and the raw path that echoes what it was sent.

Pure. Nobody bills these.
"""

from __future__ import annotations

import base64

from tollhouse.simulator.answer import Answer
from tollhouse.simulator.dialects.base import Incoming, compact, controls_of, pretty
from tollhouse.simulator.problem import RequestError

_OPENAI = {
    "gpt-4o": 1715367049,
    "gpt-4o-2024-08-06": 1722814719,
    "gpt-4o-mini": 1721172741,
    "gpt-4.1": 1744316542,
    "gpt-4.1-mini": 1744318173,
    "gpt-5": 1754425777,
    "gpt-5-mini": 1754425928,
    "gpt-5.5": 1777000000,
    "o3": 1744225308,
    "o4-mini": 1744225351,
    "text-embedding-3-small": 1705948997,
    "text-embedding-3-large": 1705953180,
}
_ANTHROPIC = {
    "claude-opus-4-5-20251101": ("Claude Opus 4.5", "2025-11-24T00:00:00Z"),
    "claude-haiku-4-5-20251001": ("Claude Haiku 4.5", "2025-10-15T00:00:00Z"),
    "claude-sonnet-4-5-20250929": ("Claude Sonnet 4.5", "2025-09-29T00:00:00Z"),
    "claude-sonnet-4-20250514": ("Claude Sonnet 4", "2025-05-22T00:00:00Z"),
}
_GEMINI = {
    "gemini-2.5-pro": "Gemini 2.5 Pro",
    "gemini-2.5-flash": "Gemini 2.5 Flash",
    "gemini-2.5-flash-lite": "Gemini 2.5 Flash-Lite",
    "gemini-3-pro-preview": "Gemini 3 Pro Preview",
}

JSON = b"application/json"


def openai_models(incoming: Incoming) -> Answer:
    """The list, or one model of it; RequestError 404 for a model that is not on it."""
    wanted = incoming.path_model
    if not wanted:
        payload: object = {"object": "list", "data": [_openai(name) for name in _OPENAI]}
    elif wanted in _OPENAI:
        payload = _openai(wanted)
    else:
        raise RequestError(404, f"The model '{wanted}' does not exist")
    return Answer(content_type=JSON, controls=controls_of(incoming), body=pretty(payload) + b"\n")


def anthropic_models(incoming: Incoming) -> Answer:
    """The list in one page, or one model of it; RequestError 404 for a model that is not on it."""
    wanted = incoming.path_model
    if wanted and wanted not in _ANTHROPIC:
        raise RequestError(404, f"model: {wanted}")
    models = [_anthropic(name) for name in ([wanted] if wanted else _ANTHROPIC)]
    page = {"data": models, "has_more": False, "first_id": models[0]["id"], "last_id": models[-1]["id"]}
    return Answer(content_type=JSON, controls=controls_of(incoming), body=compact(models[0] if wanted else page))


def gemini_models(incoming: Incoming) -> Answer:
    """The list in one page, or one model of it; RequestError 404 for a model that is not on it."""
    wanted = incoming.path_model
    if wanted and wanted not in _GEMINI:
        raise RequestError(404, f"models/{wanted} is not found for API version v1beta.")
    payload: object = _gemini(wanted) if wanted else {"models": [_gemini(name) for name in _GEMINI]}
    charset = b"; charset=UTF-8"
    return Answer(content_type=JSON + charset, controls=controls_of(incoming), body=pretty(payload) + b"\n")


def raw_echo(incoming: Incoming) -> Answer:
    """Method, path, and body as they came, the body in base64."""
    payload = {
        "method": incoming.method,
        "path": incoming.path_model,
        "body_base64": base64.b64encode(incoming.body).decode(),
    }
    return Answer(content_type=JSON, controls=controls_of(incoming), body=compact(payload))


def _openai(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _OPENAI[name], "owned_by": "system"}


def _anthropic(name: str) -> dict[str, object]:
    display, created = _ANTHROPIC[name]
    return {"type": "model", "id": name, "display_name": display, "created_at": created}


def _gemini(name: str) -> dict[str, object]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": _GEMINI[name],
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
