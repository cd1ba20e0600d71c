"""Exposure: sends canaries through a running Tollhouse in every dialect and mode, and through all that goes wrong.

Each secret and each piece of content is a canary; what the clients were answered is kept, told apart by who wrote it:
a refusal of Tollhouse's own bears the call's request id, which no provider knows.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import msgspec

from asking import DIALECTS, STREAMED, ask, key_header
from canaries import Canary, hatch

STREAM_FAULTS = (
    *("reset_mid:1", "eof_mid:1", "stall_mid:1", "garbage_mid:1", "stream_error:1", "huge_line", "usage_twice"),
    *("missing_usage", "drip"),
)
ANSWER_FAULTS = (
    *("status:500", "status:429", "status:302", "reset_before", "reset_head", "stall_before", "garbage"),
    *("wrong_length", "gzip"),
)
UNREACHABLE = "unreachable"
"""Name of a provider that nobody listens for."""


class Canaries(msgspec.Struct, frozen=True, kw_only=True):
    """One of each kind."""

    passed: Canary
    vault_variable: Canary
    vault_file: Canary
    gateway_key: Canary
    prompt: Canary
    response: Canary
    arguments: Canary

    def all(self) -> list[Canary]:
        return [getattr(self, name) for name in self.__struct_fields__]


def vault_canaries() -> tuple[Canary, Canary, Canary]:
    """Provider keys must be known before anything starts: passed through, in a variable, in a file."""
    return (
        hatch("passed-through key", "sk-passed-{}/+=x"),
        hatch("vault key from a variable", "sk-variable-{}/+=x"),
        hatch("vault key from a file", "sk-file-{}/+=x"),
    )


def with_content(keys: tuple[Canary, Canary, Canary], gateway_key: str) -> Canaries:
    """The rest, once there is a gateway key: its secret part is what must not be seen."""
    return Canaries(
        passed=keys[0],
        vault_variable=keys[1],
        vault_file=keys[2],
        gateway_key=Canary(kind="gateway key", core=gateway_key[21:64], text=gateway_key),
        prompt=hatch("prompt", 'Say "{}" in naïve words \\ now'),
        response=hatch("response", 'They said "{}" and left'),
        arguments=hatch("tool arguments", "to the {} of it"),
    )


def record_echoes(folder: Path, keys: tuple[Canary, Canary, Canary]) -> None:
    """Provider errors that repeat the keys they were sent."""
    folder.mkdir()
    told = "Incorrect API key provided: " + ", ".join(key.text for key in keys)
    for dialect in DIALECTS:
        error = {"error": {"message": told, "type": "invalid_request_error", "param": told, "code": "invalid_api_key"}}
        file = {"request": {"path": "/never"}, "stream": False, "status": 401, "content_type": "application/json"}
        (folder / f"echo-{dialect}.json").write_text(json.dumps(file | {"body": error}))


class Exposure:
    """Counts what it did, and keeps every answer."""

    def __init__(self, url: str, canaries: Canaries) -> None:
        self.sent = 0
        self.faults: list[str] = []
        self.own_answers: list[bytes] = []
        self.relayed: list[bytes] = []
        self._canaries = canaries
        self._client = httpx.Client(base_url=url, timeout=15)

    def ordinary_calls(self) -> None:
        """Every dialect, stream and not, both modes, with text and with tool arguments as the answer."""
        for dialect in DIALECTS:
            for stream in (False, True) if dialect in STREAMED else (False,):
                for passed in (False, True):
                    self.call(dialect, f"text={self._canaries.response.text}", stream=stream, passed=passed)
                    if dialect in STREAMED:
                        self.call(dialect, "tool=true", stream=stream, passed=passed)

    def provider_faults(self) -> None:
        """Whatever a provider can do wrong, over all dialects in turn."""
        for dialect in DIALECTS:
            for passed in (False, True):
                self.fault(f"echoed key, {dialect}", dialect, f"recording=echo-{dialect}", passed=passed)
        for number, fault in enumerate((*ANSWER_FAULTS, *STREAM_FAULTS)):
            told = f"fault={fault}; text={self._canaries.response.text}"
            dialect, stream = STREAMED[number % len(STREAMED)], fault in STREAM_FAULTS
            self.fault(fault, dialect, told, stream=stream, passed=number % 2 == 0)

    def refusals(self) -> None:
        """Requests that Tollhouse refuses, with canaries in what is wrong with them."""
        key, prompt, passed = (self._canaries.gateway_key.text, self._canaries.prompt, self._canaries.passed.text)
        bearer = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        chat = ask("openai_chat", prompt.text)
        text = prompt.text.encode("ascii", "ignore").decode()
        bent = key[:-1] + ("0" if key[-1] != "0" else "1")
        attempts: Mapping[str, tuple[str, dict[str, str], bytes]] = {
            "invalid JSON": (chat.path, bearer, chat.body[:-9]),
            "body of another type": (chat.path, bearer | {"content-type": "text/plain"}, chat.body),
            "body too large": (chat.path, bearer, ask("openai_chat", prompt.text * 3000).body),
            "unknown path": (f"/nowhere/{prompt.core}", bearer, chat.body),
            "raw path": (f"/providers/openai/raw/{prompt.core}?q={prompt.core}", bearer, chat.body),
            "model that is content": (chat.path, bearer, json.dumps({"model": prompt.text, "messages": []}).encode()),
            "label too long": (chat.path, bearer | {"x-tollhouse-team": text * 20}, chat.body),
            "gateway key as a label": (chat.path, bearer | {"x-tollhouse-team": key}, chat.body),
            "wish that means nothing": (chat.path, bearer | {"x-tollhouse-max-cost-usd": text}, chat.body),
            "gateway key with a slip": (chat.path, bearer | {"authorization": f"Bearer {bent}"}, chat.body),
            "no gateway key": (chat.path, bearer | {"authorization": f"Bearer {passed}"}, chat.body),
            "two modes": (chat.path, bearer | {"x-api-key": passed}, chat.body),
            "key inside a key": (chat.path, {"x-tollhouse-key": key, "authorization": f"Basic {key}"}, chat.body),
            "key in the query": (f"/v1beta/models/{prompt.core}:generateContent?key={key}", {}, b"{"),
            "unreachable provider": (f"/providers/{UNREACHABLE}/v1/chat/completions", bearer, chat.body),
            "unreachable, passed through": (
                f"/providers/{UNREACHABLE}/v1/chat/completions",
                {**bearer, "x-tollhouse-key": key, "authorization": f"Bearer {passed}"},
                chat.body,
            ),
        }
        for name, (path, headers, body) in attempts.items():
            self.faults.append(name)
            self._send(path, headers, body)

    def fault(self, name: str, dialect: str, told: str, *, stream: bool = False, passed: bool = False) -> None:
        """A call that goes wrong."""
        self.faults.append(name)
        self.call(dialect, told, stream=stream, passed=passed)

    def amid_streams(self, name: str, act: Callable[[], object]) -> None:
        """Something happens while a stream of every dialect is open; nobody minds how they end."""
        self.faults.append(name)
        told = f"pace_ms=150; output_tokens=12; text={self._canaries.response.text}"
        threads = [
            threading.Thread(target=self.call, args=(dialect, told), kwargs={"stream": True, "passed": odd})
            for odd, dialect in zip((True, False) * 2, STREAMED, strict=True)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        act()
        for thread in threads:
            thread.join()

    def leave(self) -> None:
        """Clients that go away in the middle of a stream."""
        self.faults.append("client gone")
        for dialect in STREAMED:
            path, headers, body = self._request(dialect, "pace_ms=80; output_tokens=10", stream=True, passed=True)
            url = self._client.base_url.join(path)
            with httpx.stream("POST", url, headers=headers, content=body, timeout=15) as answer:
                next(answer.iter_raw())
            self.sent += 1

    def call(self, dialect: str, told: str, *, stream: bool = False, passed: bool = False) -> None:
        """One call with a canary in every place that it has."""
        self._send(*self._request(dialect, told, stream=stream, passed=passed))

    def _request(self, dialect: str, told: str, *, stream: bool, passed: bool) -> tuple[str, dict[str, str], bytes]:
        canaries = self._canaries
        asked = ask(dialect, canaries.prompt.text, stream=stream, most=64, tool=canaries.arguments.text)
        headers = asked.headers | {"x-simulate": told, "x-note": canaries.prompt.core}
        if passed:
            headers |= {
                "x-tollhouse-key": canaries.gateway_key.text,
                **dict([key_header(dialect, canaries.passed.text)]),
            }
        else:
            headers |= dict([key_header(dialect, canaries.gateway_key.text)])
        return asked.path, headers, asked.body

    def _send(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.sent += 1
        try:
            with self._client.stream("POST", path, headers=dict(headers), content=body) as answer:
                head = repr(answer.headers.raw).encode()
                content = b""
                try:
                    for part in answer.iter_bytes():
                        content += part
                except httpx.HTTPError:
                    pass  # broken off, as it was meant to
        except httpx.HTTPError:
            return
        identity = answer.headers.get("x-tollhouse-request-id", "none").encode()
        own = answer.status_code >= 400 and identity in content
        (self.own_answers if own else self.relayed).append(head + content)
