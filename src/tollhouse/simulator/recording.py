"""Recording: real provider answers from a folder, played back byte for byte.

Shell (reads files, once, when the simulator starts). One JSON file each, with `request.path`, `stream`, `status`,
`content_type` and one of `raw` (exact text), `sse` (exact event text), `base64` (binary) or `body` (JSON, sent without
blanks); other fields are ignored. The file's name without `.json` is its stem.
"""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import unquote

import msgspec

from tollhouse.kernel.errors import ConfigError
from tollhouse.simulator.answer import Amounts, Answer
from tollhouse.simulator.control import Controls
from tollhouse.simulator.problem import RequestError

PIECE_BYTES = 512

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens")


class _Request(msgspec.Struct):
    path: str


class _File(msgspec.Struct):
    request: _Request
    stream: bool
    status: int
    content_type: str
    dialect: str = ""
    raw: str | None = None
    sse: str | None = None
    base64: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")
    usage: dict[str, object] | None = None


class _Asked(msgspec.Struct):
    stream: bool | None = None


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded answer."""

    stem: str
    path: str
    """Percent-decoded, without the query."""
    stream: bool
    answer: Answer
    """Its body whole; cut into pieces only when it is played."""


class Recordings:
    """The recordings of one folder, by path and by stem."""

    def __init__(self, recordings: list[Recording]) -> None:
        ordered = sorted(recordings, key=lambda recording: recording.stem, reverse=True)
        self._by_stem = {recording.stem: recording for recording in ordered}
        self._by_request = {(recording.path, recording.stream): recording for recording in ordered}

    def __len__(self) -> int:
        return len(self._by_stem)

    def find(self, path: str, body: bytes, controls: Controls) -> Answer | None:
        """The answer recorded for a request, the first by name where there are several, or that of the stem asked for.

        None if there is none for this path; RequestError 404 if the stem is unknown.
        """
        if controls.recording is not None:
            named = self._by_stem.get(controls.recording)
            if named is None:
                raise RequestError(404, f"X-Simulate: no recording is named {controls.recording!r}")
            return _played(named, controls)
        found = self._by_request.get((path, _asks_stream(path, body)))
        return None if found is None else _played(found, controls)


def load_recordings(folder: Path) -> Recordings:
    """All recordings of a folder; ConfigError names a folder or file that cannot be used."""
    if not folder.is_dir():
        raise ConfigError(f"recordings: {folder} is not a folder")
    return Recordings([_load(path) for path in sorted(folder.glob("*.json"))])


def _load(path: Path) -> Recording:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        body = _bytes_of(file)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"recordings: {path.name} cannot be read: {error}") from error
    answer = Answer(
        id=path.stem,
        dialect=file.dialect,
        status=file.status,
        content_type=file.content_type.encode("latin-1"),
        amounts=_amounts(file.usage) if file.status < 300 else None,
        body=body,
    )
    return Recording(
        stem=path.stem, path=unquote(file.request.path.partition("?")[0]), stream=file.stream, answer=answer
    )


def _bytes_of(file: _File) -> bytes:
    if file.raw is not None:
        return file.raw.encode()
    if file.sse is not None:
        return file.sse.encode()
    if file.base64 is not None:
        return base64.b64decode(file.base64, validate=True)
    return msgspec.json.format(bytes(file.body), indent=-1)


def _played(recording: Recording, controls: Controls) -> Answer:
    answer = recording.answer
    if not recording.stream:
        return answer
    size = controls.chunk_bytes or PIECE_BYTES
    pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    output = answer.amounts.output if answer.amounts else 0
    generated = [-(-output * number // len(pieces)) for number in range(1, len(pieces) + 1)]
    return msgspec.structs.replace(answer, body=b"", events=pieces, generated=generated)


def _asks_stream(path: str, body: bytes) -> bool:
    if "stream" in path.rpartition("/")[2].lower():
        return True
    try:
        return bool(msgspec.json.decode(body, type=_Asked).stream)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _amounts(usage: dict[str, object] | None) -> Amounts:
    """What the recorded usage says in round terms; cached parts are left to those who read it closely."""
    return Amounts(input=_first(usage or {}, _INPUT), output=_first(usage or {}, _OUTPUT))


def _first(usage: dict[str, object], names: tuple[str, ...]) -> int:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and value >= 0:
            return value
    return 0
