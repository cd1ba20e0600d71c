"""Gemini generateContent and streamGenerateContent: the request. Model and streaming are in the path.

The API reads protobuf JSON, so every field has two spellings (`generationConfig`, `generation_config`); both are read,
and where both are given the larger limit counts.
"""

from __future__ import annotations

import msgspec

from tollhouse.kernel.refusal import Refusal
from tollhouse.wire.call import Call, Route
from tollhouse.wire.dialects.reading import NULL, Choices, Tokens, has_unknown, largest, model_refusal, read_body

KNOWN_FIELDS = frozenset(
    """
    contents systemInstruction system_instruction generationConfig generation_config safetySettings safety_settings
    tools toolConfig tool_config cachedContent cached_content labels serviceTier service_tier model
    """.split()  # noqa: SIM905
)
_CLIENT_TOOLS = frozenset(("functionDeclarations", "function_declarations"))
_PLAIN_PARTS = frozenset(
    """
    text thought thoughtSignature thought_signature functionCall function_call functionResponse function_response
    """.split()  # noqa: SIM905
)


class _Config(msgspec.Struct, gc=False):
    max_output_tokens: Tokens | None = None
    max_output_tokens_camel: Tokens | None = msgspec.field(default=None, name="maxOutputTokens")
    candidate_count: Choices | None = None
    candidate_count_camel: Choices | None = msgspec.field(default=None, name="candidateCount")


class _Content(msgspec.Struct, gc=False):
    parts: msgspec.Raw = NULL


class _Request(msgspec.Struct, gc=False):
    contents: msgspec.Raw = NULL
    generation_config: _Config | None = None
    generation_config_camel: _Config | None = msgspec.field(default=None, name="generationConfig")
    cached_content: str | None = None
    cached_content_camel: str | None = msgspec.field(default=None, name="cachedContent")
    system_instruction: msgspec.Raw = NULL
    system_instruction_camel: msgspec.Raw = msgspec.field(default=NULL, name="systemInstruction")
    tools: list[dict[str, msgspec.Raw]] | None = None


_DECODER = msgspec.json.Decoder(_Request)
_CONTENTS = msgspec.json.Decoder(list[_Content] | _Content | str | None)
_PARTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw] | str] | dict[str, msgspec.Raw] | str | None)


def read_request(route: Route, body: bytes) -> Call | Refusal:
    """The call, or why its body cannot be served."""
    read = read_body(body, _DECODER)
    if isinstance(read, Refusal):
        return read
    request, values = read
    refusal = model_refusal(route.model)
    if refusal is not None:
        return refusal
    configs = [config for config in (request.generation_config_camel, request.generation_config) if config is not None]
    return Call(
        route=route,
        model=route.model or "",
        stream=route.stream is True,
        body=body,
        max_output_tokens=largest(
            *(limit for config in configs for limit in (config.max_output_tokens, config.max_output_tokens_camel))
        ),
        choices=largest(*(n for config in configs for n in (config.candidate_count, config.candidate_count_camel)))
        or 1,
        referenced=_is_referenced(request),
        unbounded=has_unknown(values, KNOWN_FIELDS)
        or any(not tool.keys() <= _CLIENT_TOOLS for tool in request.tools or ()),
    )


def _is_referenced(request: _Request) -> bool:
    """Cached content, files and media: their bytes, where they are here at all, are no bound of their tokens."""
    if request.cached_content_camel is not None or request.cached_content is not None:
        return True
    texts = (request.contents, request.system_instruction_camel, request.system_instruction)
    return any(text is not NULL and _has_media(text) for text in texts)


def _has_media(raw: msgspec.Raw) -> bool:
    try:
        contents = _CONTENTS.decode(raw)
        if contents is None or isinstance(contents, str):
            return False
        listed = contents if isinstance(contents, list) else [contents]
        return any(_is_media(_PARTS.decode(content.parts)) for content in listed)
    except msgspec.ValidationError:
        return True


def _is_media(parts: list[dict[str, msgspec.Raw] | str] | dict[str, msgspec.Raw] | str | None) -> bool:
    listed = parts if isinstance(parts, list) else [parts]
    return any(isinstance(part, dict) and not part.keys() <= _PLAIN_PARTS for part in listed)
