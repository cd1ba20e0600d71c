"""`tollhouse doctor`: findings as lines, and a status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def _findings(done: Any) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}


def test_a_sound_installation(tollhouse: Any, tmp_path: Path) -> None:
    """Nothing is broken: status 0, and each check has its line."""
    tmp_path.chmod(0o700)
    done = tollhouse("doctor", "--json")
    findings = _findings(done)
    assert done.exit_code == 0
    assert findings["migrations"]["grade"] == "ok"
    assert findings["row security"]["grade"] == "ok"
    assert findings["roles"]["grade"] == "ok"
    assert findings["gateway"]["grade"] == "warning"
    assert findings["gateway"]["mend"] == "start it with 'tollhouse up'"


def test_something_broken(tollhouse: Any, tmp_path: Path) -> None:
    """Status 1, and how to mend it."""
    tmp_path.chmod(0o777)
    done = tollhouse("doctor")
    assert done.exit_code == 1
    assert f"broken   data directory  other accounts may write to {tmp_path}" in done.stdout
    assert f"-> chmod 700 {tmp_path}" in done.stdout


def test_settings_that_cannot_be_read(bare: Any, tmp_path: Path) -> None:
    """A finding, as the rest cannot be looked at."""
    done = bare("doctor", "--json", "--config", str(tmp_path / "missing.toml"))
    assert done.exit_code == 1
    assert _findings(done)["settings"]["grade"] == "broken"
