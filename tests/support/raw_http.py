"""Raw HTTP/1.1 over a socket, for tests that must decide on every byte they send and see every byte that comes back.

Nothing is added to what is sent but the request line, the fields as given and the body as given. Of what comes back,
only the framing is taken off; field names and values stay as they were spelt.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import msgspec

TIMEOUT_S = 15.0

Field = tuple[str, str]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it was on the wire."""

    status: int
    fields: list[Field]
    """In their order and their spelling, duplicates kept."""
    body: bytes
    """Without the framing of chunks, any content encoding untouched."""

    def all_of(self, name: str) -> list[str]:
        """The values of every field of this name, whatever its spelling."""
        return [value for field, value in self.fields if field.lower() == name]

    def one(self, name: str) -> str:
        """The value of a field that is there once."""
        values = self.all_of(name)
        assert len(values) == 1, f"{name} is there {len(values)} times"
        return values[0]


def send(
    url: str, target: str, fields: list[Field], body: bytes | None = None, *, method: str = "POST", framed: bool = True
) -> Received:
    """One request on a connection of its own, and its answer. `host` and, if `framed`, the length are put in front."""
    address = urlsplit(url)
    head = [("host", address.netloc), *fields]
    if body is not None and framed:
        head.insert(1, ("content-length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head)]
    data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
    with socket.create_connection((address.hostname or "", address.port or 80), TIMEOUT_S) as connection:
        connection.sendall(data)
        return _receive(connection)


def chunked(parts: list[bytes]) -> bytes:
    """A body in chunks, for a request that is sent with `transfer-encoding: chunked`."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _receive(connection: socket.socket) -> Received:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    lowered = {name.lower(): value for name, value in fields}
    if "chunked" in lowered.get("transfer-encoding", ""):
        body = _chunks(connection, rest)
    else:
        length = int(lowered.get("content-length", "0"))
        while len(rest) < length:
            rest += _more(connection)
        assert len(rest) == length, "more came than the answer's length"
        body = rest
    return Received(status=int(first.split(" ")[1]), fields=fields, body=body)


def _chunks(connection: socket.socket, rest: bytes) -> bytes:
    parts = []
    while True:
        while b"\r\n" not in rest:
            rest += _more(connection)
        size_text, _, rest = rest.partition(b"\r\n")
        size = int(size_text, 16)
        while len(rest) < size + 2:
            rest += _more(connection)
        assert rest[size : size + 2] == b"\r\n", "a chunk does not end where its size says"
        parts.append(rest[:size])
        rest = rest[size + 2 :]
        if size == 0:
            assert rest == b"", "more came after the last chunk"
            return b"".join(parts)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    assert data, "the connection ended before its answer did"
    return data
