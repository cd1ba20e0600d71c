"""Recorded answers are played byte for byte."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import httpx2
import msgspec
import pytest

from tollhouse.kernel.errors import ConfigError
from tollhouse.simulator.app import SimulatorApp
from tollhouse.simulator.recording import load_recordings
from tollhouse.simulator.server import serving

SSE = 'data: {"n": 1}\r\n\r\ndata: {"é": "' + "x" * 2000 + '"}\n\n'
KEY = {"Authorization": "Bearer k", "Accept-Encoding": "identity"}


def _write(folder: Path, stem: str, path: str, **fields: object) -> None:
    recording = {"request": {"path": path}, "stream": False, "status": 200, "content_type": "application/json"}
    (folder / f"{stem}.json").write_bytes(msgspec.json.encode(recording | fields))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(
        tmp_path, "b-events", "/v1/messages?beta=true", stream=True, sse=SSE, content_type="text/event-stream; x=1",
        dialect="anthropic_messages", usage={"input_tokens": 40, "output_tokens": 60},
    )  # fmt: skip
    _write(tmp_path, "a-json", "/v1/messages", body={"b": 1, "a": [2.50, "é"]})
    _write(tmp_path, "c-raw", "/v1/messages", body={"x": 1}, raw='\n  {"x":1}')
    binary = base64.b64encode(bytes(range(256)) * 9).decode()
    _write(tmp_path, "d-binary", "/model/anthropic.x-v1%3A0/converse-stream", stream=True, base64=binary)
    _write(tmp_path, "e-error", "/v1/limited", status=429, body={"error": {}}, usage={"input_tokens": 9})
    return tmp_path


def test_recorded_bytes_come_back(folder: Path) -> None:
    """The path and the stream flag choose, or the stem does; text, JSON and binary come back exactly."""
    app = SimulatorApp(load_recordings(folder))
    with serving(app) as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        events = client.post("/v1/messages", content=b'{"stream": true}')
        assert (events.content, events.headers["content-type"]) == (SSE.encode(), "text/event-stream; x=1")
        assert client.post("/v1/messages?beta=true", content=b"{}").content == b'{"b":1,"a":[2.5,"\xc3\xa9"]}'
        assert client.post("/any", headers={"X-Simulate": "recording=c-raw"}).content == b'\n  {"x":1}'
        binary = client.post("/model/anthropic.x-v1%3A0/converse-stream", content=b"{}")
        assert binary.content == bytes(range(256)) * 9
        assert client.post("/v1/limited", content=b"{}").status_code == 429
        assert client.post("/any", headers={"X-Simulate": "recording=z"}).status_code == 404
        assert client.post("/v1/embeddings", json={"model": "m", "input": "x"}).json()["object"] == "list"
    bills = app.bills.billed(None)["bills"]
    assert [(bill.id, bill.input_tokens, bill.output_tokens) for bill in bills[:1]] == [("b-events", 40, 60)]
    assert "e-error" not in {bill.id for bill in bills}


def test_a_recorded_stream_obeys_faults(folder: Path) -> None:
    """A recorded stream is cut after N pieces of the length asked for."""
    app = SimulatorApp(load_recordings(folder))
    headers = KEY | {"X-Simulate": "chunk_bytes=10; fault=eof_mid:2"}
    with serving(app) as port:
        got = b""
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            httpx2.stream(
                "POST", f"http://127.0.0.1:{port}/v1/messages", content=b'{"stream":true}', headers=headers
            ) as answer,
        ):
            for piece in answer.iter_raw():
                got += piece
    assert got == SSE.encode()[:20]


@pytest.mark.parametrize("text", ["", "{}", '{"request": {"path": "/x"}, "stream": true, "status": 200}'])
def test_an_unusable_file_is_named(tmp_path: Path, text: str) -> None:
    """A file that is no recording stops the start, and the error names it."""
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.json"):
        load_recordings(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there stops the start."""
    with pytest.raises(ConfigError, match="not a folder"):
        load_recordings(tmp_path / "nothing")


if "TOLLHOUSE_RECORDINGS" in os.environ:

    def test_real_recordings_come_back() -> None:
        """Every recording of the folder that TOLLHOUSE_RECORDINGS names is played exactly."""
        source = Path(os.environ["TOLLHOUSE_RECORDINGS"])
        files = sorted(source.glob("*.json"))
        app = SimulatorApp(load_recordings(source))
        with serving(app) as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
            for file in files:
                recorded = msgspec.json.decode(file.read_bytes())
                answer = client.post("/any", headers={"X-Simulate": f"recording={file.stem}"})
                assert answer.status_code == recorded["status"]
                assert answer.headers["content-type"] == recorded["content_type"]
                exact = recorded.get("raw") or recorded.get("sse")
                if exact is not None:
                    assert answer.content == exact.encode(), file.stem
                elif "base64" in recorded:
                    assert answer.content == base64.b64decode(recorded["base64"]), file.stem
                else:
                    assert msgspec.json.decode(answer.content) == recorded["body"], file.stem
        assert len(files) > 0
