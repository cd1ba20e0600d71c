"""Answers in the format of recordings, written for tests: the shapes that a provider's wire can take, small.

Each has a `request` to ask with, and says what the client must receive where that is not the recorded text itself.
"""

from __future__ import annotations

from typing import Any

_CHAT = "/v1/chat/completions"
_MESSAGES = "/v1/messages"
_RESPONSES = "/v1/responses"
_GEMINI = "/v1beta/models/gemini-2.5-flash"
_SSE = "text/event-stream; charset=utf-8"
_USAGE = {
    "prompt_tokens": 31,
    "completion_tokens": 7,
    "total_tokens": 38,
    "prompt_tokens_details": {"cached_tokens": 16},
}
_USAGE_TEXT = (
    '{"prompt_tokens": 31,"completion_tokens":7,\t"total_tokens":38,"prompt_tokens_details":{"cached_tokens":16}}'
)
_DELTA = 'data: {"id":"chatcmpl-1","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"h\u00e9\\u00e9"}}]}'


def _made(provider: str, dialect: str, path: str, **rest: Any) -> dict[str, Any]:
    body = rest.pop("request")
    stream = "sse" in rest or "raw" in rest
    kind = _SSE if "sse" in rest else "application/json"
    made = {"provider": provider, "dialect": dialect, "stream": stream, "status": 200, "content_type": kind}
    return made | {"request": {"method": "POST", "path": path, "body": body}} | rest


def _chat(stream: bool, **rest: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    return body | ({"stream": True} if stream else {}) | rest


_CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
_CONTENTS = {"contents": [{"parts": [{"text": "hi"}]}]}

GENERATED: dict[str, dict[str, Any]] = {
    "generated-chat-spaced": _made(
        "openai",
        "openai_chat",
        _CHAT,
        request=_chat(False),
        body={
            "id": "chatcmpl-2",
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "caf\u00e9 \u2603"}}],
            "usage": _USAGE,
            "later_addition": {"deep": [[[1.5e3]]]},
        },
        usage=_USAGE,
    ),
    "generated-chat-stream-mixed-line-ends": _made(
        "openai",
        "openai_chat",
        _CHAT,
        request=_chat(True, stream_options={"include_usage": True}),
        sse=f": hello\r\n\r\n{_DELTA}\r\n\r\n: ping\n\nid: 7\nretry: 10\n{_DELTA}\n\n"
        f'data: {{"choices":[],"usage":{_USAGE_TEXT}}}\n\ndata: [DONE]\n\n',
        usage=_USAGE,
    ),
    "generated-chat-stream-usage-in-last-choice": _made(
        "mistral",
        "openai_chat",
        _CHAT,
        request=_chat(True),
        sse=f'{_DELTA}\n\n{_DELTA[:-1]},"usage":{_USAGE_TEXT}}}\n\ndata: [DONE]\n\n',
        usage=_USAGE,
    ),
    "generated-chat-stream-unasked-usage": _made(
        "openai",
        "openai_chat",
        _CHAT,
        request=_chat(True),
        sse=f'{_DELTA}\n\ndata: {{"id":"chatcmpl-1","choices":[],"usage":{_USAGE_TEXT}}}\n\ndata: [DONE]\n\n',
        received=f"{_DELTA}\n\ndata: [DONE]\n\n",
        usage=_USAGE,
    ),
    "generated-chat-stream-error-inside": _made(
        "openai",
        "openai_chat",
        _CHAT,
        request=_chat(True, stream_options={"include_usage": True}),
        sse='data: {"error":{"message":"overloaded","type":"server_error","code":"engine_overloaded"}}\n\n',
        usage=None,
    ),
    "generated-chat-error-429": _made(
        "openai",
        "openai_chat",
        _CHAT,
        request=_chat(False),
        status=429,
        body={"error": {"message": "Slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
        usage=None,
    ),
    "generated-messages-stream": _made(
        "anthropic",
        "anthropic_messages",
        _MESSAGES,
        request=_CLAUDE | {"stream": True},
        sse="event: message_start\ndata: "
        '{"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-4-5-20250929",'
        '"usage":{"input_tokens":4,"cache_read_input_tokens":5,"cache_creation_input_tokens":0,"output_tokens":1}}}'
        '\n\nevent: ping\ndata: {"type": "ping"}\n\nevent: content_block_delta\ndata: '
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"h\u00e9"}}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        '"usage":{"output_tokens":6}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
        usage={"output_tokens": 6},
        usage_first={
            "input_tokens": 4,
            "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        },
    ),
    "generated-messages-error-529": _made(
        "anthropic",
        "anthropic_messages",
        _MESSAGES,
        request=_CLAUDE,
        status=529,
        body={"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        usage=None,
    ),
    "generated-responses-stream": _made(
        "openai",
        "openai_responses",
        _RESPONSES,
        request={"model": "gpt-4o-mini", "input": "hi", "stream": True},
        sse='event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"h\u00e9"}\n\n'
        'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1","model":"gpt-4o-mini",'
        '"status":"completed","usage":{"input_tokens":12,"output_tokens":3,"total_tokens":15}}}\n\n',
        usage={"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
    ),
    "generated-gemini-array": _made(
        "google",
        "gemini_generate",
        f"{_GEMINI}:streamGenerateContent",
        request=_CONTENTS,
        raw='[{"candidates":[{"content":{"parts":[{"text":"h\u00e9"}]}}],"usageMetadata":{"promptTokenCount":2}}\n,\r\n'
        '{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":5,"totalTokenCount":7}}\n]',
        usage={"promptTokenCount": 2, "candidatesTokenCount": 5, "totalTokenCount": 7},
    ),
    "generated-gemini-thoughts": _made(
        "google",
        "gemini_generate",
        f"{_GEMINI}:generateContent",
        request=_CONTENTS,
        body={
            "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": 9,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 20,
                "totalTokenCount": 33,
            },
            "modelVersion": "gemini-2.5-flash",
        },
        usage={"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 20, "totalTokenCount": 33},
    ),
    "generated-embeddings": _made(
        "openai",
        "openai_embeddings",
        "/v1/embeddings",
        request={"model": "text-embedding-3-small", "input": ["a", "b"]},
        body={
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -1e-9]}],
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        usage={"prompt_tokens": 8, "total_tokens": 8},
    ),
}
