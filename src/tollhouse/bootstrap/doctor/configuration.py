"""Settings that are allowed and look wrong all the same. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from tollhouse.bootstrap.doctor.model import Finding, ok, warning
from tollhouse.kernel.errors import ConfigError
from tollhouse.settings import Settings
from tollhouse.snapshot.providers import configured_providers

CHECK = "settings"
PROTECTED_MODES = frozenset(("require", "verify-ca", "verify-full"))


def settings_findings(settings: Settings) -> list[Finding]:
    """One sentence for each thing that looks wrong, or that nothing does."""
    findings = [*_listener(settings), *_database(settings), *_journal(settings), *_providers(settings)]
    return findings or [ok(CHECK, "nothing looks wrong")]


def _listener(settings: Settings) -> list[Finding]:
    if is_loopback(settings.host):
        return []
    text = f"the gateway listens on {settings.host} without TLS: keys and prompts cross the network in the clear"
    return [warning(CHECK, text, "listen on 127.0.0.1 behind a proxy that speaks TLS, or keep the network private")]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this host alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(settings: Settings) -> list[Finding]:
    if settings.database_url is None or "://" not in settings.database_url:
        return []
    try:
        parts = urlsplit(settings.database_url)
    except ValueError:
        # The database's own check says that it cannot be read.
        return []
    host = parts.hostname or ""
    mode = parse_qs(parts.query).get("sslmode", ["prefer"])[-1]
    if not host or is_loopback(host) or mode in PROTECTED_MODES:
        return []
    text = f"DATABASE_URL reaches another host with sslmode={mode}, which may fall back to plain text"
    return [warning(CHECK, text, "add sslmode=verify-full (with sslrootcert) to DATABASE_URL")]


def _journal(settings: Settings) -> list[Finding]:
    if settings.limits.stream_buffer_bytes_max * settings.limits.concurrent_calls_max > 64 << 30:
        text = "limits.stream_buffer_bytes_max times limits.concurrent_calls_max is more than 64 GiB"
        return [warning(CHECK, text, "lower one of them: buffers are bounded by their product")]
    return []


def _providers(settings: Settings) -> list[Finding]:
    try:
        configured_providers(settings.providers)
    except ConfigError as error:
        return [warning(CHECK, str(error), "mend the provider's table: the gateway does not start with it")]
    findings = []
    for name, provider in settings.providers.items():
        if provider.allow_private and (provider.base_url or "").startswith("http://") and name in settings.credentials:
            host = urlsplit(provider.base_url or "").hostname or ""
            if not is_loopback(host):
                text = f"providers.{name} sends its key over plain HTTP to {host}"
                findings.append(warning(CHECK, text, "use https, or take the key away if the server asks for none"))
    return findings
