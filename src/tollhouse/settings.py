"""Settings: one frozen value, read once, the only reader of the environment and of the configuration file.

Order: defaults, then the TOML file, then environment variables `TOLLHOUSE_…` (the environment wins), then the
command line. Every scalar field has the environment name of its path: `limits.body_bytes_max` is
`TOLLHOUSE_LIMITS_BODY_BYTES_MAX`, `providers.openai.key_file` is `TOLLHOUSE_PROVIDERS_OPENAI_KEY_FILE`.
What is misspelt, in the file or in the environment, is an error; an error names where the value was given and its path.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.secret import Secret

PREFIX = "TOLLHOUSE_"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
NOT_SETTINGS = frozenset(("TOLLHOUSE_CONFIG", "TOLLHOUSE_RECORDINGS", "TOLLHOUSE_CASES", "TOLLHOUSE_PROVE"))
"""Variables with our prefix that others read: the command line and the tests."""
PLATFORM = (("database_url", "DATABASE_URL"), ("database_direct_url", "DATABASE_DIRECT_URL"), ("gateway_port", "PORT"))
"""Settings that hosting platforms give under names of their own, which count where nothing else is said."""

# Kubernetes tells every container of a service named `tollhouse` so; nobody chose these.
_SERVICE_LINK = re.compile(r"TOLLHOUSE_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_KINDS = {"`int`": "a whole number", "`float`": "a number", "`bool`": "true or false", "`object`": "a table"}
_KINDS |= {"`str`": "text", "`str | null`": "text", "`array`": "a list"}
_CONTACT = re.compile(r"(https://|mailto:|tel:)[\x21-\x7e]+|[^@:/\s]+@[\x21-\x7e]+")

Section = TypeVar("Section", bound=msgspec.Struct)


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
    """Kept for the console, which is not built: nothing listens there yet."""
    workers: int = 1
    log_level: str = "info"
    pepper: Secret | None = None
    """What gateway keys are hashed under, for hosts that share a database; else it is a file in the data directory."""
    database_secret: Secret | None = None
    """What the database roles' passwords derive from, for hosts that share a database; else a file likewise."""
    snapshot_max_age_s: float = 900.0
    security_contact: str | None = None
    """Whom to tell of a weakness: a mail address or an `https:`, `mailto:` or `tel:` address. The gateway names it in
    `/.well-known/security.txt`, which is not there without it."""
    limits: Limits = Limits()
    journal: JournalSetting = JournalSetting()
    providers: Mapping[str, ProviderSetting] = {}
    """By `NAME` for the default workspace; other workspaces' as `WORKSPACE/NAME`."""
    credentials: Mapping[str, Secret] = {}
    """Provider keys as read from their files or variables, under the same names as `providers`."""


class _Sources(msgspec.Struct, kw_only=True):
    """Where values were given, so that an error can say it."""

    file: Path | None
    options: frozenset[str]
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    """Path of a setting to the environment variable that it was read from."""

    def error(self, path: str, text: str) -> ConfigError:
        """`FILE: limits.body_bytes_max: TEXT`, or with the variable in the file's place; an option says all itself."""
        if path in self.options:
            return ConfigError(f"--{path.replace('_', '-')}: {text}")
        return ConfigError(f"{self._of(path)}: {path}: {text}")

    def _of(self, path: str) -> str:
        if path in self.variables or self.file:
            return self.variables.get(path) or str(self.file)
        # What is missing was given nowhere: its neighbours tell who made the table.
        tables = (f"{path}.", f"{path.rpartition('.')[0]}.")
        near = (variable for table in tables for name, variable in self.variables.items() if name.startswith(table))
        return next(near, "configuration")


def load(
    environment: Mapping[str, str], config_file: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Settings from file, environment and command line.

    ConfigError names where a value was given, the path of the setting, and what it should be.
    """
    options = {name: value for name, value in (overrides or {}).items() if value is not None}
    sources = _Sources(file=config_file, options=frozenset(options))
    values = _read_file(config_file) if config_file else {}
    if "credentials" in values:
        raise sources.error("credentials", "keys do not stand in the file; give providers.NAME.key_file or key_env")
    _apply_environment(values, environment, sources)
    values.update(options)
    values.setdefault("data_dir", str(default_data_dir(environment)))
    values.setdefault("workers", os.cpu_count() or 1)
    tables = values.get("providers")
    if isinstance(tables, dict):
        # Each by itself, since an error inside of a mapping does not say whose it is.
        for name, table in tables.items():
            _convert(table, ProviderSetting, sources, f"providers.{name}")
    settings = _convert(values, Settings, sources, "")
    _check(settings, sources)
    return msgspec.structs.replace(settings, credentials=_read_credentials(settings.providers, environment, sources))


def _convert(value: object, kind: type[Section], sources: _Sources, at: str) -> Section:
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _AT.search(text)
        text = _AT.sub("", text)
        path = [part for part in (at, found[1] if found else "") if part]
        unknown, missing = _UNKNOWN.fullmatch(text), _MISSING.fullmatch(text)
        if unknown:
            text = "there is no such setting" + _meant(unknown[1], _fields_at(path, kind))
        elif missing:
            text = "must be given"
        else:
            for word, meaning in _KINDS.items():
                text = text.replace(word, meaning)
            text = text[0].lower() + text[1:]
        path += [match[1] for match in (unknown, missing) if match]
        raise sources.error(".".join(path) or "configuration", text) from error


def _fields_at(path: list[str], kind: type[msgspec.Struct]) -> tuple[str, ...]:
    section = {"limits": Limits, "journal": JournalSetting}.get(".".join(path), kind)
    return section.__struct_fields__


def _meant(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name; empty where none is close."""
    # Without the prefix that all variables share, which would make any two of them alike.
    plain = {one.removeprefix(PREFIX): one for one in sorted(known)}
    close = get_close_matches(name.removeprefix(PREFIX), plain, n=1, cutoff=0.75)
    return f"; did you mean {plain[close[0]]}?" if close else ""


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


def _apply_environment(values: dict[str, object], environment: Mapping[str, str], sources: _Sources) -> None:
    known = set(NOT_SETTINGS)
    for name in Settings.__struct_fields__:
        if name in ("limits", "journal"):
            section = Limits if name == "limits" else JournalSetting
            known |= _apply_section(values, name, section, environment, sources)
        elif name not in ("providers", "credentials"):
            variable = PREFIX + name.upper()
            known.add(variable)
            if (text := environment.get(variable)) is not None:
                values[name] = text
                sources.variables[name] = variable
    for name, variable in PLATFORM:
        if environment.get(variable) and name not in values:
            values[name] = environment[variable]
            sources.variables[name] = variable
    _apply_providers(values, environment, sources)
    _refuse_unknown(environment, known)


def _refuse_unknown(environment: Mapping[str, str], known: set[str]) -> None:
    """A misspelt variable would be passed over in silence, and its default hold."""
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in known or variable.startswith(PREFIX + "PROVIDERS_"):
            continue
        linked = variable == "TOLLHOUSE_PORT" and _SERVICE_ADDRESS.match(text)
        if not linked and _SERVICE_LINK.fullmatch(variable) is None:
            raise ConfigError(f"{variable}: there is no such setting{_meant(variable, known)}")


def _apply_section(
    values: dict[str, object],
    name: str,
    section: type[msgspec.Struct],
    environment: Mapping[str, str],
    sources: _Sources,
) -> set[str]:
    """Returns the names of the variables that the section has."""
    table = values.get(name, {})
    chosen = dict(table) if isinstance(table, dict) else None
    variables = {f"{PREFIX}{name.upper()}_{field.upper()}": field for field in section.__struct_fields__}
    for variable, field in variables.items():
        if variable in environment and chosen is not None:
            chosen[field] = environment[variable]
            sources.variables[f"{name}.{field}"] = variable
    if chosen:
        values[name] = chosen
    return set(variables)


def _apply_providers(values: dict[str, object], environment: Mapping[str, str], sources: _Sources) -> None:
    tables = values.get("providers", {})
    if not isinstance(tables, dict):
        return
    providers = {name: dict(table) if isinstance(table, dict) else table for name, table in tables.items()}
    start = PREFIX + "PROVIDERS_"
    for variable, text in environment.items():
        if not variable.startswith(start):
            continue
        for field in sorted(ProviderSetting.__struct_fields__, key=len, reverse=True):
            if variable.endswith("_" + field.upper()):
                name = variable[len(start) : -len(field) - 1].lower()
                table = providers.setdefault(name, {})
                if isinstance(table, dict):
                    table[field] = text
                    sources.variables[f"providers.{name}.{field}"] = variable
                break
        else:
            raise ConfigError(f"{variable} names no provider setting; use {start}<NAME>_KIND, _BASE_URL, _KEY_FILE …")
    if providers:
        values["providers"] = providers


def _check(settings: Settings, sources: _Sources) -> None:
    if not 1 <= settings.workers <= 256:
        raise sources.error("workers", "must be between 1 and 256")
    for name in ("gateway_port", "console_port"):
        if not 0 <= getattr(settings, name) <= 65_535:
            raise sources.error(name, "must be between 0 and 65535 (0 picks a free port)")
    if settings.log_level.lower() not in LOG_LEVELS:
        raise sources.error("log_level", f"must be one of {', '.join(LOG_LEVELS)}")
    contact = settings.security_contact
    if contact is not None and _CONTACT.fullmatch(contact) is None:
        raise sources.error("security_contact", "must be a mail address, or begin with https://, mailto: or tel:")
    for name, section in (("limits", settings.limits), ("journal", settings.journal)):
        for field in section.__struct_fields__:
            _check_bound(f"{name}.{field}", getattr(section, field), sources)
    _check_bound("snapshot_max_age_s", settings.snapshot_max_age_s, sources)


def _check_bound(name: str, value: object, sources: _Sources) -> None:
    # Written so that what is not a number is no bound either.
    if isinstance(value, int | float) and not 0 < value < math.inf:
        raise sources.error(name, "must be a number above 0")


def _read_credentials(
    providers: Mapping[str, ProviderSetting], environment: Mapping[str, str], sources: _Sources
) -> dict[str, Secret]:
    credentials: dict[str, Secret] = {}
    for name, provider in providers.items():
        at = f"providers.{name}"
        if provider.key_file and provider.key_env:
            raise sources.error(at, "give key_file or key_env, not both")
        if provider.key_file:
            credentials[name] = _key_from_file(f"{at}.key_file", Path(provider.key_file), sources)
        elif provider.key_env:
            text = environment.get(provider.key_env, "").strip()
            if not text:
                raise sources.error(f"{at}.key_env", f"the environment variable {provider.key_env} is not set")
            credentials[name] = Secret(text)
    return credentials


def _key_from_file(at: str, path: Path, sources: _Sources) -> Secret:
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise sources.error(at, f"cannot read {path}: {error.strerror}") from error
    if not text:
        raise sources.error(at, f"{path} is empty")
    return Secret(text)
