"""The data directory: there, ours, private, and with room left."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from tollhouse.bootstrap.doctor.model import Finding, broken, ok, warning
from tollhouse.identity.pepper import PEPPER_FILE
from tollhouse.storage.secret_file import SECRET_FILE

CHECK = "data directory"
SPACE_CHECK = "disk space"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
FREE_BYTES_WARNING = 2 << 30
FREE_BYTES_BROKEN = 256 << 20


def directory_findings(data_dir: Path) -> list[Finding]:
    """Nothing more is asked of a directory that is not there."""
    try:
        mode = data_dir.stat().st_mode
    except FileNotFoundError:
        return [
            warning(CHECK, f"{data_dir} is not there yet", "'tollhouse up' makes it; or name another by --data-dir")
        ]
    except OSError as error:
        return [
            broken(CHECK, f"{data_dir} cannot be read: {error.strerror}", "run this as the account that runs Tollhouse")
        ]
    findings = [_privacy(data_dir, mode), *_secrets(data_dir)]
    if not os.access(data_dir, os.W_OK | os.X_OK):
        findings.append(broken(CHECK, f"{data_dir} cannot be written", "run Tollhouse as the account that owns it"))
    return [*findings, _space(shutil.disk_usage(data_dir).free)]


def _privacy(data_dir: Path, mode: int) -> Finding:
    mend = f"chmod 700 {data_dir}"
    if mode & OTHERS_WRITE:
        return broken(CHECK, f"other accounts may write to {data_dir}", mend)
    if mode & OTHERS:
        return warning(CHECK, f"other accounts may look into {data_dir}", mend)
    return ok(CHECK, f"{data_dir} is private")


def _secrets(data_dir: Path) -> list[Finding]:
    findings = []
    for name in (SECRET_FILE, PEPPER_FILE, "demo.json"):
        path = data_dir / name
        if path.exists() and path.stat().st_mode & OTHERS:
            text = f"other accounts may read {name}"
            findings.append(
                broken(CHECK, text, f"chmod 600 {path}, and take what it says for known if anyone has read it")
            )
    return findings


def _space(free_bytes: int) -> Finding:
    text = f"{free_bytes / (1 << 30):.1f} GiB free"
    mend = "free some: without space for the journal the gateway refuses calls"
    if free_bytes < FREE_BYTES_BROKEN:
        return broken(SPACE_CHECK, text, mend)
    return warning(SPACE_CHECK, text, mend) if free_bytes < FREE_BYTES_WARNING else ok(SPACE_CHECK, text)
