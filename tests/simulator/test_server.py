"""The simulator as a process of its own, with and without TLS."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tollhouse.kernel.errors import ConfigError
from tollhouse.simulator.app import SimulatorApp
from tollhouse.simulator.server import Certificate, run, serving


@contextlib.contextmanager
def _process(*arguments: str) -> Iterator[int]:
    command = [sys.executable, "-m", "tollhouse.simulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = msgspec.json.decode(process.stdout.readline())
            assert ready["event"] == "simulator.ready"
            yield ready["port"]
        finally:
            process.terminate()
        assert process.wait(10) in (0, -15)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """A self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain_file, key_file = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(chain=chain_file, key=key_file)


def test_a_process_says_when_it_is_ready() -> None:
    """It prints one line with its port, answers at once, and ends when told to."""
    with _process() as port:
        assert httpx2.get(f"http://127.0.0.1:{port}/_simulator/health").json() == {"status": "ok"}


def test_tls(certificate: Certificate) -> None:
    """With certificate and key it speaks TLS, and can still reset in the middle."""
    trust = ssl.create_default_context(cafile=str(certificate.chain))
    arguments = ("--certificate", str(certificate.chain), "--key", str(certificate.key))
    headers = {"Authorization": "Bearer k", "X-Simulate": "fault=reset_before"}
    with _process(*arguments) as port, httpx2.Client(base_url=f"https://localhost:{port}", verify=trust) as client:
        assert client.get("/_simulator/health").status_code == 200
        with pytest.raises(httpx2.TransportError):
            client.post("/raw/x", headers=headers)


def test_what_cannot_start_says_why(tmp_path: Path, certificate: Certificate) -> None:
    """A taken port, a missing folder and an unusable certificate are told apart."""
    with serving(SimulatorApp()) as port, pytest.raises(ConfigError, match=f"port {port}: Address already in use"):
        run("127.0.0.1", port)
    with pytest.raises(ConfigError, match="not a folder"):
        run("127.0.0.1", 0, recordings=tmp_path / "nothing")
    with pytest.raises(ConfigError, match="certificate"):
        run("127.0.0.1", 0, certificate=Certificate(chain=certificate.key, key=certificate.key))


def test_wrong_usage_exits_with_2(certificate: Certificate) -> None:
    """A key without a certificate is refused before anything listens."""
    command = [sys.executable, "-m", "tollhouse.simulator", "--port", "0", "--key", str(certificate.key)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "come together" in finished.stderr
