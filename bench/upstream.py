"""A provider that costs next to nothing to run: fixed answers over raw asyncio, plain or TLS.

An ordinary chat answer (about 800 B), or, where the request says `"stream":true`, 200 events of 280 B, a given time
apart. Far cheaper than what it is measured against, so that the second core can carry both it and the load.
A request may say how many events, how far apart: `x-bench-events`, `x-bench-pace-ms`.
`python -m bench.upstream` prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from functools import cache

import uvloop

EVENT_BYTES = 280


def chat_answer() -> bytes:
    """A non-streamed chat completion with usage, about 800 bytes of body."""
    body = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "An answer of ordinary length. " * 11, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 82,
            "completion_tokens": 66,
            "total_tokens": 148,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
    text = json.dumps(body, separators=(",", ":")).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %d\r\n\r\n"
    return head % len(text) + text


@cache
def events(count: int) -> list[bytes]:
    """Chunk-framed SSE events of a chat stream, the last ones with usage and `[DONE]`."""
    shape = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": None}],
        "usage": None,
    }
    bare = len(_event(shape))
    shape["choices"][0]["delta"]["content"] = "x" * (EVENT_BYTES - bare)  # type: ignore[index]
    usage = dict(shape, choices=[], usage={"prompt_tokens": 82, "completion_tokens": 200, "total_tokens": 282})
    return [_chunk(_event(shape))] * count + [_chunk(_event(usage)), _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


ANSWER = chat_answer()
ANSWER_BYTES = len(ANSWER.partition(b"\r\n\r\n")[2])
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Provider(asyncio.Protocol):
    """One connection; requests one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while self.received:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.received[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.received) < end + 4 + length:
                return
            body = bytes(self.received[end + 4 : end + 4 + length])
            del self.received[: end + 4 + length]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if b'"stream":true' in body:
            self.stream = events(_asked(head, b"x-bench-events: ", 200))
            self.pace_s = _asked(head, b"x-bench-pace-ms: ", 10) / 1000
            self.transport.write(STREAM_HEAD)  # type: ignore[attr-defined]
            self.index = 0
            asyncio.get_running_loop().call_later(self.pace_s, self.next_event)
        else:
            self.transport.write(ANSWER)  # type: ignore[attr-defined]

    def next_event(self) -> None:
        if self.transport.is_closing() or self.index >= len(self.stream):
            return
        self.transport.write(self.stream[self.index])  # type: ignore[attr-defined]
        self.index += 1
        asyncio.get_running_loop().call_later(self.pace_s, self.next_event)


def _asked(head: bytes, name: bytes, otherwise: int) -> int:
    at = head.find(name)
    return int(head[at + len(name) :].split(b"\r\n", 1)[0]) if at >= 0 else otherwise


async def serve(options: argparse.Namespace) -> None:
    """Listens until killed; prints the port."""
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.get_running_loop().create_server(
        Provider, "127.0.0.1", options.port, ssl=context, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
