"""The table of provider kinds. Addresses are the providers' documented ones; configuration can override each."""

from __future__ import annotations

from tollhouse.wire.call import Family
from tollhouse.wire.providers.model import KeyPlacement, ProviderKind

ANTHROPIC_VERSION = "2023-06-01"

ROWS: tuple[ProviderKind, ...] = (
    ProviderKind(name="openai", family=Family.OPENAI, base_url="https://api.openai.com", pricing="openai"),
    ProviderKind(
        name="anthropic",
        family=Family.ANTHROPIC,
        base_url="https://api.anthropic.com",
        key=KeyPlacement.X_API_KEY,
        pricing="anthropic",
        default_headers=(("anthropic-version", ANTHROPIC_VERSION),),
    ),
    ProviderKind(
        name="gemini",
        family=Family.GEMINI,
        base_url="https://generativelanguage.googleapis.com",
        key=KeyPlacement.X_GOOG_API_KEY,
        pricing="gemini",
        version_path="/v1beta/openai",
    ),
    ProviderKind(
        name="openrouter",
        family=Family.OPENAI,
        base_url="https://openrouter.ai",
        pricing="openrouter",
        version_path="/api/v1",
    ),
    ProviderKind(
        name="groq", family=Family.OPENAI, base_url="https://api.groq.com", pricing="groq", version_path="/openai/v1"
    ),
    ProviderKind(
        name="mistral",
        family=Family.OPENAI,
        base_url="https://api.mistral.ai",
        pricing="mistral",
        # Answers 422 to `stream_options`; every stream ends with usage all the same.
        takes_stream_options=False,
    ),
    ProviderKind(name="deepseek", family=Family.OPENAI, base_url="https://api.deepseek.com", pricing="deepseek"),
    ProviderKind(name="xai", family=Family.OPENAI, base_url="https://api.x.ai", pricing="xai"),
    ProviderKind(name="together", family=Family.OPENAI, base_url="https://api.together.xyz", pricing="together"),
    ProviderKind(
        name="fireworks",
        family=Family.OPENAI,
        base_url="https://api.fireworks.ai",
        pricing="fireworks",
        version_path="/inference/v1",
    ),
    ProviderKind(
        name="perplexity",
        family=Family.OPENAI,
        base_url="https://api.perplexity.ai",
        pricing="perplexity",
        version_path="",
        # Every chunk has cumulative usage.
        takes_stream_options=False,
    ),
    ProviderKind(name="cerebras", family=Family.OPENAI, base_url="https://api.cerebras.ai", pricing="cerebras"),
    ProviderKind(
        name="cohere",
        family=Family.OPENAI,
        base_url="https://api.cohere.com",
        pricing="cohere",
        version_path="/compatibility/v1",
    ),
    ProviderKind(name="ollama", family=Family.OPENAI, base_url=None, needs_key=False, pricing="ollama"),
    ProviderKind(name="vllm", family=Family.OPENAI, base_url=None, needs_key=False, pricing="vllm"),
    ProviderKind(
        name="openai-compatible", family=Family.OPENAI, base_url=None, needs_key=False, pricing="openai-compatible"
    ),
    ProviderKind(
        name="anthropic-compatible",
        family=Family.ANTHROPIC,
        base_url=None,
        key=KeyPlacement.X_API_KEY,
        needs_key=False,
        pricing="anthropic-compatible",
        default_headers=(("anthropic-version", ANTHROPIC_VERSION),),
    ),
)
