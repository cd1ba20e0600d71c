"""An order to stop while a client does not read its answer: the call is ended and recorded, not left to a recovery."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from dialogue import chat
from plain_http import Wire
from stack import Stack
from traces import marked, new_trace, rows_of

ENDLESS = "chunks=4000; chunk_bytes=10000; output_tokens=4000"


def test_a_call_whose_client_does_not_read_ends_with_the_grace_period() -> None:
    """It waits for its client, not for its provider; it is told all the same, and says itself what became of it."""
    trace = new_trace()
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), environment={"TOLLHOUSE_LIMITS_GRACE_PERIOD_S": "1"}).start()
        try:
            asyncio.run(stopped_unread(stack, trace))
            stack.start()
            row = rows_of(stack, [trace])[trace]
        finally:
            stack.stop()
    assert (row["outcome"], row["usage_source"], row["status"]) == ("gateway_stopped", "partial", 200)
    assert row["cost_nano_usd"] > 0


async def stopped_unread(stack: Stack, trace: str) -> None:
    """Asks for a stream, reads its beginning, and sits still until the gateway has gone."""
    async with Wire(stack.gateway_url, receive_buffer_bytes=4096) as wire:
        await wire.send(chat(True).written(stack.key, simulate=ENDLESS, **marked(trace)))
        await wire.read(until=lambda answer: bool(answer.body))
        await asyncio.sleep(1.0)
        assert await asyncio.to_thread(stack.stop) == 0
