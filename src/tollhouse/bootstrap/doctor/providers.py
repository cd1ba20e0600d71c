"""Whether the providers' names resolve here. For information: a host that nobody calls need not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from tollhouse.bootstrap.doctor.model import Finding, ok
from tollhouse.settings import Settings
from tollhouse.wire.providers import KINDS

CHECK = "providers"
ALWAYS = ("openai", "anthropic", "gemini")
RESOLVE_TIMEOUT_S = 2.0


def provider_findings(settings: Settings) -> list[Finding]:
    """Never worse than ok; nothing is sent to a provider."""
    hosts = sorted(set(_hosts(settings)))
    missing = _unresolved(hosts)
    if not missing:
        return [ok(CHECK, f"{', '.join(hosts)}: resolve")]
    return [ok(CHECK, f"not resolved here: {', '.join(missing)} (matters only if you call them)")]


def _hosts(settings: Settings) -> Iterable[str]:
    for kind in ALWAYS:
        yield urlsplit(KINDS[kind].base_url or "").hostname or ""
    for provider in settings.providers.values():
        known = KINDS.get(provider.kind)
        host = urlsplit(provider.base_url or (known.base_url if known else None) or "").hostname
        if host:
            yield host


def _unresolved(hosts: list[str]) -> list[str]:
    """A resolver may take long to give up, and is not waited for; its thread ends with the process."""
    found: set[str] = set()
    threads = [threading.Thread(target=_resolve, args=(host, found), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + RESOLVE_TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    return [host for host in hosts if host not in found]


def _resolve(host: str, found: set[str]) -> None:
    try:
        socket.getaddrinfo(host, 443)
    except (OSError, UnicodeError):
        return  # not found, which is what is reported
    found.add(host)
