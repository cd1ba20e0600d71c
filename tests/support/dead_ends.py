"""Dead ends: addresses at which no provider answers, each in a way of its own, and the settings that name them."""

from __future__ import annotations

import contextlib
import socket
import threading

SCHEMES = {"closed": "http", "full": "http", "silent": "http", "mute_tls": "https", "plain": "https", "keyless": "http"}


class DeadEnds:
    """Local sockets: `closed` refuses, `full` lets nobody in (no handshake ends), `silent` never accepts, `mute_tls` is
    the same where TLS is expected, `plain` answers a TLS greeting with plain HTTP. `nameless` does not resolve, and
    `metadata` is a forbidden address. `keyless` is a server of a kind that needs no key: it refuses every request and
    says what it received.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        self._listeners = {"full": self._listen(0), "silent": self._listen(64), "plain": self._listen(64)}
        self._fill(self._listeners["full"])
        threading.Thread(target=self._answer_plainly, args=(self._listeners["plain"],), daemon=True).start()
        free = self._listen(1)
        self._ports = {name: listener.getsockname()[1] for name, listener in self._listeners.items()}
        self._ports |= {"mute_tls": self._ports["silent"], "closed": free.getsockname()[1]}
        self._ports["keyless"] = self._ports["plain"]
        free.close()

    def environment(self) -> dict[str, str]:
        """Settings of one provider of the default workspace for each."""
        urls = {name: f"{scheme}://127.0.0.1:{self._ports[name]}" for name, scheme in SCHEMES.items()}
        urls |= {"nameless": "https://no-such-host.invalid", "metadata": "http://169.254.169.254"}
        settings: dict[str, str] = {}
        for name, url in urls.items():
            start = f"TOLLHOUSE_PROVIDERS_{name.upper()}_"
            kind = "vllm" if name == "keyless" else "openai"
            settings |= {start + "KIND": kind, start + "BASE_URL": url, start + "ALLOW_PRIVATE": "true"}
        return settings

    def close(self) -> None:
        """Lets go of all sockets."""
        for one in (*self._held, *self._listeners.values()):
            one.close()

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        return listener

    def _fill(self, listener: socket.socket) -> None:
        """Takes all places of the queue, so that the system drops whoever knocks."""
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
            self._held.append(client)

    def _answer_plainly(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    heard = client.recv(65_536)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(heard), heard))
                    # What is not read yet would make the system take the answer back.
                    client.shutdown(socket.SHUT_WR)
                    client.settimeout(1.0)
                    while client.recv(65_536):
                        continue
