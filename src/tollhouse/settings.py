"""Settings: one frozen value, read once, the only reader of the environment and of the configuration file.

Order: defaults, then the TOML file, then environment variables `TOLLHOUSE_…` (the environment wins), then the
command line. Every scalar field has the environment name of its path: `limits.body_bytes_max` is
`TOLLHOUSE_LIMITS_BODY_BYTES_MAX`, `providers.openai.key_file` is `TOLLHOUSE_PROVIDERS_OPENAI_KEY_FILE`.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.secret import Secret

PREFIX = "TOLLHOUSE_"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the gateway's edges; bytes, seconds, counts."""

    head_bytes_max: int = 32 * 1024
    head_fields_max: int = 100
    head_timeout_s: float = 10.0
    body_bytes_max: int = 32 * 1024 * 1024
    body_timeout_s: float = 60.0
    body_bytes_per_s_min: int = 1024
    keep_alive_timeout_s: float = 75.0
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 600.0
    idle_timeout_s: float = 300.0
    total_timeout_s: float = 3600.0
    stream_buffer_bytes_max: int = 256 * 1024
    drain_timeout_s: float = 60.0
    """How long an upstream is read on for its final usage after its client left."""
    grace_period_s: float = 30.0
    """How long open calls may go on after the worker was told to stop."""
    concurrent_calls_max: int = 12_000
    upstream_idle_connections_max: int = 256
    upstream_idle_timeout_s: float = 50.0


class JournalSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`durability`: `process` survives the death of the process, `power` also that of the machine."""

    durability: Literal["process", "power"] = "process"
    bytes_max: int = 4 * 1024 * 1024 * 1024
    retention_s: float = 900.0


class ProviderSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[providers.NAME]` table. Its key comes from a file or an environment variable, never from the table."""

    kind: str
    base_url: str | None = None
    key_file: str | None = None
    key_env: str | None = None
    allow_private: bool = False
    workspace: str = "default"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an operator can choose."""

    data_dir: Path
    database_url: str | None = None
    """Holds a password: shown by no command and given to no child's environment."""
    database_direct_url: str | None = None
    host: str = "127.0.0.1"
    gateway_port: int = 8080
    console_port: int = 8081
    workers: int = 1
    log_level: str = "info"
    pepper: Secret | None = None
    """What gateway keys are hashed under, for hosts that share a database; else it is a file in the data directory."""
    database_secret: Secret | None = None
    """What the database roles' passwords derive from, for hosts that share a database; else a file likewise."""
    snapshot_max_age_s: float = 900.0
    security_contact: str | None = None
    """Address that SECURITY.md's `security.txt` names."""
    limits: Limits = Limits()
    journal: JournalSetting = JournalSetting()
    providers: Mapping[str, ProviderSetting] = {}
    """By `NAME` for the default workspace; other workspaces' as `WORKSPACE/NAME`."""
    credentials: Mapping[str, Secret] = {}
    """Provider keys as read from their files or variables, under the same names as `providers`."""


def load(
    environment: Mapping[str, str], config_file: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Settings from file, environment and command line; ConfigError names the value and what it should be."""
    values = _read_file(config_file) if config_file else {}
    if "credentials" in values:
        raise ConfigError("configuration: keys do not stand in the file; give providers.NAME.key_file or key_env")
    _apply_environment(values, environment)
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    values.setdefault("data_dir", str(default_data_dir(environment)))
    values.setdefault("workers", os.cpu_count() or 1)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {error}") from error
    _check(settings)
    return msgspec.structs.replace(settings, credentials=_read_credentials(settings.providers, environment))


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/tollhouse`, else `~/.local/share/tollhouse`."""
    base = environment.get("XDG_DATA_HOME") or os.path.join(environment.get("HOME") or "/", ".local", "share")
    return Path(base) / "tollhouse"


def to_wire(settings: Settings) -> bytes:
    """For a worker's standard input: a child gets its secrets through a pipe, never by its environment."""
    return msgspec.json.encode(settings, enc_hook=_encode)


def from_wire(data: bytes) -> Settings:
    """The inverse of `to_wire`."""
    return msgspec.json.decode(data, type=Settings, dec_hook=_decode)


def _encode(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal().decode("latin-1")
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def _decode(kind: type, value: object) -> object:
    if kind is Secret:
        return Secret(str(value).encode("latin-1"))
    if kind is Path or issubclass(kind, Path):
        return Path(str(value))
    raise TypeError(f"{kind.__name__} is not read from a configuration")


def _read_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _apply_environment(values: dict[str, object], environment: Mapping[str, str]) -> None:
    for name in Settings.__struct_fields__:
        if name in ("limits", "journal"):
            section = Limits if name == "limits" else JournalSetting
            _apply_section(values, name, section, environment)
        elif name not in ("providers", "credentials") and (text := environment.get(PREFIX + name.upper())) is not None:
            values[name] = text
    for name, variable in (
        ("database_url", "DATABASE_URL"),
        ("database_direct_url", "DATABASE_DIRECT_URL"),
        ("gateway_port", "PORT"),
    ):
        if environment.get(variable):
            values.setdefault(name, environment[variable])
    _apply_providers(values, environment)


def _apply_section(
    values: dict[str, object], name: str, section: type[msgspec.Struct], environment: Mapping[str, str]
) -> None:
    table = values.get(name)
    chosen = dict(table) if isinstance(table, dict) else {}
    for field in section.__struct_fields__:
        text = environment.get(f"{PREFIX}{name.upper()}_{field.upper()}")
        if text is not None:
            chosen[field] = text
    if chosen:
        values[name] = chosen


def _apply_providers(values: dict[str, object], environment: Mapping[str, str]) -> None:
    tables = values.get("providers")
    providers = {name: dict(table) for name, table in tables.items()} if isinstance(tables, dict) else {}
    start = PREFIX + "PROVIDERS_"
    for variable, text in environment.items():
        if not variable.startswith(start):
            continue
        for field in sorted(ProviderSetting.__struct_fields__, key=len, reverse=True):
            if variable.endswith("_" + field.upper()):
                name = variable[len(start) : -len(field) - 1].lower()
                providers.setdefault(name, {})[field] = text
                break
        else:
            raise ConfigError(f"{variable} names no provider setting; use {start}<NAME>_KIND, _BASE_URL, _KEY_FILE …")
    if providers:
        values["providers"] = providers


def _check(settings: Settings) -> None:
    if not 1 <= settings.workers <= 256:
        raise ConfigError("workers must be between 1 and 256")
    for name in ("gateway_port", "console_port"):
        if not 0 <= getattr(settings, name) <= 65_535:
            raise ConfigError(f"{name} must be between 0 and 65535 (0 picks a free port)")
    if settings.log_level.lower() not in LOG_LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(LOG_LEVELS)}")
    for name, section in (("limits", settings.limits), ("journal", settings.journal)):
        for field in section.__struct_fields__:
            _check_bound(f"{name}.{field}", getattr(section, field))
    _check_bound("snapshot_max_age_s", settings.snapshot_max_age_s)


def _check_bound(name: str, value: object) -> None:
    # Written so that what is not a number is no bound either.
    if isinstance(value, int | float) and not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a number above 0")


def _read_credentials(providers: Mapping[str, ProviderSetting], environment: Mapping[str, str]) -> dict[str, Secret]:
    credentials: dict[str, Secret] = {}
    for name, provider in providers.items():
        if provider.key_file and provider.key_env:
            raise ConfigError(f"providers.{name}: give key_file or key_env, not both")
        if provider.key_file:
            credentials[name] = _key_from_file(name, Path(provider.key_file))
        elif provider.key_env:
            text = environment.get(provider.key_env, "").strip()
            if not text:
                raise ConfigError(f"providers.{name}: the environment variable {provider.key_env} is not set")
            credentials[name] = Secret(text)
    return credentials


def _key_from_file(name: str, path: Path) -> Secret:
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"providers.{name}: cannot read key_file {path}: {error.strerror}") from error
    if not text:
        raise ConfigError(f"providers.{name}: key_file {path} is empty")
    return Secret(text)
