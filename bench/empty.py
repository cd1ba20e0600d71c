"""The other reference: uvicorn answering an empty request, the least that a Python server can cost.

`python -m bench.empty PORT`.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

BODY = b'{"status":"ok"}'
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers without reading."""
    await send(HEAD)
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )
