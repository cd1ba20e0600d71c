"""What doctor finds, organ by organ."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from tollhouse.bootstrap.doctor.configuration import is_loopback, settings_findings
from tollhouse.bootstrap.doctor.database import database_findings, health_findings
from tollhouse.bootstrap.doctor.directory import directory_findings
from tollhouse.bootstrap.doctor.examine import examine
from tollhouse.bootstrap.doctor.gateway import gateway_findings
from tollhouse.bootstrap.doctor.journals import BEHIND_BYTES, states_findings
from tollhouse.bootstrap.doctor.model import Finding, Grade
from tollhouse.bootstrap.doctor.prices import book_findings
from tollhouse.bootstrap.doctor.providers import provider_findings
from tollhouse.kernel.secret import Secret
from tollhouse.ledger.inspection import JournalState
from tollhouse.pricing.book_file import load_package_book
from tollhouse.pricing.rules import PriceBook
from tollhouse.settings import ProviderSetting, Settings
from tollhouse.storage.health import DatabaseHealth

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOUND = DatabaseHealth(version="18.4", too_old=False, pending=(), foreign=(), catalogue=(), roles=(), clock_ahead_s=0.0)


def grades(findings: list[Finding]) -> dict[str, Grade]:
    """The worst grade of each check."""
    order = list(Grade)
    worst: dict[str, Grade] = {}
    for finding in findings:
        worst[finding.check] = max(finding.grade, worst.get(finding.check, Grade.OK), key=order.index)
    return worst


def test_every_trouble_says_how_to_mend_it(tmp_path: Path) -> None:
    """And a directory that was never used breaks nothing."""
    findings = examine(Settings(data_dir=tmp_path / "none"), datetime.now(UTC), lambda text: None)
    assert all((finding.mend is None) == (finding.grade is Grade.OK) for finding in findings)
    assert Grade.BROKEN not in grades(findings).values()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/t", "postgresql://u:secret@[bad/t", "nonsense"])
def test_a_database_of_ones_own_that_cannot_be_reached(tmp_path: Path, url: str) -> None:
    """What is named is its URL, not the log of the embedded one; and no password."""
    settings = Settings(data_dir=tmp_path, database_url=url, database_secret=Secret("11" * 32))
    (finding,) = database_findings(settings, lambda text: None)
    assert (finding.check, finding.grade) == ("database", Grade.BROKEN)
    assert finding.mend is not None and "DATABASE_URL" in finding.mend
    assert "secret" not in finding.text
    assert settings_findings(settings)


@pytest.mark.parametrize(("mode", "grade"), [(0o700, Grade.OK), (0o755, Grade.WARNING), (0o770, Grade.BROKEN)])
def test_directory_is_private(tmp_path: Path, mode: int, grade: Grade) -> None:
    """Looked into is unwise, written to is broken."""
    tmp_path.chmod(mode)
    assert grades(directory_findings(tmp_path))["data directory"] is grade


def test_secrets_that_others_may_read(tmp_path: Path) -> None:
    """Each is named."""
    tmp_path.chmod(0o700)
    (tmp_path / "peppers").write_text("1:00")
    (tmp_path / "peppers").chmod(0o640)
    found = [finding.text for finding in directory_findings(tmp_path) if finding.grade is Grade.BROKEN]
    assert found == ["other accounts may read peppers"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("gateway.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """What can be reached from this host alone."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(data_dir=Path("/d"), host="0.0.0.0"), "without TLS"),
        (Settings(data_dir=Path("/d"), database_url="postgresql://u:pw@db.example/t"), "sslmode=prefer"),
        (
            Settings(data_dir=Path("/d"), providers={"x": ProviderSetting(kind="unheard")}),
            "providers.x: kind must be one of",
        ),
        (
            Settings(
                data_dir=Path("/d"),
                providers={"x": ProviderSetting(kind="vllm", base_url="http://10.0.0.9", allow_private=True)},
                credentials={"x": Secret("key")},
            ),
            "over plain HTTP to 10.0.0.9",
        ),
    ],
)
def test_settings_that_look_wrong(settings: Settings, said: str) -> None:
    """A warning each, without a password or key in it."""
    (finding,) = settings_findings(settings)
    assert finding.grade is Grade.WARNING
    assert said in finding.text
    assert "pw" not in finding.text


@pytest.mark.parametrize(
    "settings",
    [
        Settings(data_dir=Path("/d")),
        Settings(data_dir=Path("/d"), database_url="postgresql://u:pw@db.example/t?sslmode=verify-full"),
        Settings(data_dir=Path("/d"), database_url="postgresql://u:pw@localhost/t"),
        Settings(data_dir=Path("/d"), database_url="dbname=t host=/run/postgresql"),
    ],
)
def test_settings_that_are_fine(settings: Settings) -> None:
    """Nothing is made up."""
    assert [finding.grade for finding in settings_findings(settings)] == [Grade.OK]


@pytest.mark.parametrize(
    ("change", "check", "grade"),
    [
        ({}, "database", Grade.OK),
        ({"too_old": True, "version": "14.9"}, "database", Grade.BROKEN),
        ({"pending": ("0001_pre_x.sql",)}, "migrations", Grade.BROKEN),
        ({"foreign": ("9000_pre_x.sql",)}, "migrations", Grade.BROKEN),
        ({"catalogue": ("th.calls has no forced row security",)}, "row security", Grade.BROKEN),
        ({"roles": ("the gateway's role cannot connect",)}, "roles", Grade.BROKEN),
        ({"clock_ahead_s": -3.0}, "clock", Grade.WARNING),
        ({"clock_ahead_s": 90.0}, "clock", Grade.BROKEN),
    ],
)
def test_database(change: dict[str, object], check: str, grade: Grade) -> None:
    """One thing wrong is one check's grade; the others stay well."""
    found = grades(health_findings(msgspec.structs.replace(SOUND, **change), "embedded"))
    assert found[check] is grade
    assert all(other is Grade.OK for name, other in found.items() if name != check)


class Gateway(BaseHTTPRequestHandler):
    """Answers `/readyz` with what the server was given."""

    def do_GET(self) -> None:
        """The one path."""
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A gateway that says what a test sets as `answer`."""
    found = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def state(data_dir: Path, url: str, pid: int) -> None:
    """What the supervisor leaves while it runs."""
    (data_dir / "run").mkdir()
    content = {"gateway_url": url, "console_url": None, "pid": pid}
    (data_dir / "run" / "state.json").write_bytes(msgspec.json.encode(content))


@pytest.mark.parametrize(
    ("status", "body", "grade", "said"),
    [
        (200, b'{"status":"ready","troubles":[]}', Grade.OK, "is ready"),
        (503, b'{"status":"unready","troubles":["journal"]}', Grade.BROKEN, "the journal cannot be written"),
        (200, b"<html>", Grade.BROKEN, "does not answer"),
    ],
)
def test_gateway_that_runs(
    tmp_path: Path, server: HTTPServer, status: int, body: bytes, grade: Grade, said: str
) -> None:
    """Its own word on whether calls can be recorded."""
    server.answer = (status, body)  # type: ignore[attr-defined]
    state(tmp_path, f"http://127.0.0.1:{server.server_port}", os.getpid())
    (finding,) = gateway_findings(tmp_path)
    assert finding.grade is grade
    assert said in finding.text


def test_gateway_that_does_not_run(tmp_path: Path) -> None:
    """Never started, killed, or deaf."""
    assert gateway_findings(tmp_path)[0].text == "is not running over this data directory"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    state(tmp_path, "http://127.0.0.1:1", gone.pid)
    assert "ended without stopping in order" in gateway_findings(tmp_path)[0].text
    deaf = {"gateway_url": "http://127.0.0.1:1", "pid": os.getpid()}
    (tmp_path / "run" / "state.json").write_bytes(msgspec.json.encode(deaf))
    assert gateway_findings(tmp_path)[0].grade is Grade.BROKEN


def journal(*, held: bool = True, unshipped_bytes: int = 0, rejected: bool = False) -> JournalState:
    """A journal of a kilobyte."""
    return JournalState(name="w1", held=held, bytes=1024, unshipped_bytes=unshipped_bytes, rejected=rejected)


@pytest.mark.parametrize(
    ("states", "kept", "grade"),
    [
        ([], 0, Grade.OK),
        ([journal(unshipped_bytes=1000)], 0, Grade.OK),
        ([journal(held=False)], 0, Grade.OK),
        ([journal(held=False, unshipped_bytes=1)], 0, Grade.WARNING),
        ([journal(unshipped_bytes=BEHIND_BYTES + 1)], 0, Grade.WARNING),
        ([journal(rejected=True)], 0, Grade.BROKEN),
        ([], 1, Grade.BROKEN),
    ],
)
def test_journals(states: list[JournalState], kept: int, grade: Grade) -> None:
    """What waits is told apart from what is lost to the totals."""
    assert grades(states_findings(states, kept)) == {"journal": grade}


def test_price_book() -> None:
    """Its age, and a clock that is before it."""
    book = load_package_book()
    assert grades(book_findings(book, NOW)) == {"price book": Grade.OK}
    assert grades(book_findings(book, NOW + timedelta(days=90))) == {"price book": Grade.WARNING}
    assert grades(book_findings(book, NOW - timedelta(days=400))) == {"clock": Grade.BROKEN}
    assert grades(book_findings(PriceBook.build("v", []), NOW)) == {"price book": Grade.BROKEN}


def test_providers_are_for_information(tmp_path: Path) -> None:
    """A name that does not resolve breaks nothing."""
    settings = Settings(
        data_dir=tmp_path, providers={"x": ProviderSetting(kind="vllm", base_url="http://nowhere.invalid")}
    )
    (finding,) = provider_findings(settings)
    assert finding.grade is Grade.OK
    assert "nowhere.invalid" in finding.text
