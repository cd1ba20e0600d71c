"""The gateway: whether `tollhouse up` runs, can be reached, and is ready to record calls."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tollhouse.bootstrap.doctor.model import Finding, broken, ok, warning
from tollhouse.storage.server_process import is_alive

CHECK = "gateway"
STATE_FILE = Path("run") / "state.json"
ANSWER_TIMEOUT_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024
TROUBLES = {
    "journal": "the journal cannot be written: see disk space and permissions",
    "snapshot": "the configuration is too old: the database has been away for long",
    "stopping": "it is being stopped",
}


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor leaves in the data directory while it runs."""

    gateway_url: str
    pid: int


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/readyz`."""

    status: str
    troubles: tuple[str, ...] = ()


def gateway_findings(data_dir: Path) -> list[Finding]:
    """Asks the gateway that runs over this data directory, if one does."""
    try:
        state = msgspec.json.decode((data_dir / STATE_FILE).read_bytes(), type=RunState)
    except FileNotFoundError:
        return [warning(CHECK, "is not running over this data directory", "start it with 'tollhouse up'")]
    except (OSError, msgspec.DecodeError) as error:
        return [
            broken(CHECK, f"{STATE_FILE} cannot be read ({type(error).__name__})", "stop Tollhouse and start it again")
        ]
    if not is_alive(state.pid, None):
        text = f"process {state.pid} ended without stopping in order"
        return [warning(CHECK, text, "start it with 'tollhouse up': what it had recorded is settled then")]
    return [_asked(state.gateway_url)]


def _asked(url: str) -> Finding:
    try:
        status, body = _get(url, "/readyz")
        ready = msgspec.json.decode(body, type=Readiness)
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        text = f"runs, but {url}/readyz does not answer ({type(error).__name__})"
        return broken(CHECK, text, "look into log/tollhouse.log in the data directory")
    if status == 200 and not ready.troubles:
        return ok(CHECK, f"{url} is ready")
    reasons = "; ".join(TROUBLES.get(trouble, trouble) for trouble in ready.troubles) or f"status {status}"
    return broken(CHECK, f"{url} is not ready: {reasons}", "mend that; it becomes ready by itself")


def _get(url: str, path: str) -> tuple[int, bytes]:
    """Straight to the gateway, whatever proxies the environment names."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()
