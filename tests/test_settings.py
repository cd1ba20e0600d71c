"""Settings: where each value may come from, which source wins, and that a bad value is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollhouse.kernel.errors import ConfigError
from tollhouse.kernel.secret import Secret
from tollhouse.settings import (
    JournalSetting,
    Limits,
    ProviderSetting,
    Settings,
    default_data_dir,
    from_wire,
    load,
    to_wire,
)

HOME = {"HOME": "/at/home"}


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Writes a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "tollhouse.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_need_nothing() -> None:
    """One worker a core, and the data where the platform keeps such."""
    settings = load(HOME)
    assert settings.data_dir == Path("/at/home/.local/share/tollhouse")
    assert settings.workers == os.cpu_count()
    assert (settings.host, settings.gateway_port, settings.limits) == ("127.0.0.1", 8080, Limits())
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/tollhouse")


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(file: Any) -> None:
    """In each section by its own name; what nobody else says, the file says."""
    path = file('host = "a"\nworkers = 2\ngateway_port = 1\n[limits]\nhead_fields_max = 5\nbody_bytes_max = 6\n')
    environment = HOME | {
        "TOLLHOUSE_WORKERS": "3",
        "TOLLHOUSE_GATEWAY_PORT": "2",
        "TOLLHOUSE_LIMITS_BODY_BYTES_MAX": "7",
    }
    settings = load(environment, path, {"gateway_port": 4, "workers": None})
    assert (settings.host, settings.workers, settings.gateway_port) == ("a", 3, 4)
    assert (settings.limits.head_fields_max, settings.limits.body_bytes_max) == (5, 7)


def test_a_platforms_own_variables_fill_in_what_is_not_chosen(file: Any) -> None:
    """`DATABASE_URL` and `PORT` are set by hosts for everybody; what is chosen for Tollhouse goes before them."""
    platform = HOME | {"DATABASE_URL": "postgresql://host/a", "PORT": "5000"}
    assert load(platform).database_url == "postgresql://host/a"
    assert load(platform).gateway_port == 5000
    assert load(platform | {"TOLLHOUSE_GATEWAY_PORT": "6000"}).gateway_port == 6000
    assert load(platform, file('database_url = "postgresql://host/b"')).database_url == "postgresql://host/b"


def test_the_journals_settings_come_from_the_environment() -> None:
    """Words and numbers alike."""
    settings = load(HOME | {"TOLLHOUSE_JOURNAL_DURABILITY": "power", "TOLLHOUSE_JOURNAL_RETENTION_S": "0.5"})
    assert settings.journal == JournalSetting(durability="power", retention_s=0.5)


@pytest.mark.parametrize(
    ("variable", "text", "names"),
    [
        ("TOLLHOUSE_WORKERS", "0", "workers: must be between 1 and 256"),
        ("TOLLHOUSE_WORKERS", "many", "workers: expected a whole number, got text"),
        ("TOLLHOUSE_WORKERS", "", "workers: expected a whole number"),
        ("TOLLHOUSE_GATEWAY_PORT", "65536", "gateway_port: must be between 0 and 65535"),
        ("PORT", "http", "gateway_port: expected a whole number"),
        ("TOLLHOUSE_CONSOLE_PORT", "-1", "console_port: must be between"),
        ("TOLLHOUSE_LOG_LEVEL", "loud", "log_level: must be one of debug, info"),
        ("TOLLHOUSE_SECURITY_CONTACT", "our office", "security_contact: must be a mail address"),
        ("TOLLHOUSE_SECURITY_CONTACT", "mailto:a@b.example\nExpires: never", "security_contact: must be"),
        ("TOLLHOUSE_SNAPSHOT_MAX_AGE_S", "0", "snapshot_max_age_s: must be a number above 0"),
        ("TOLLHOUSE_LIMITS_HEAD_FIELDS_MAX", "0", r"limits\.head_fields_max: must be a number above 0"),
        ("TOLLHOUSE_LIMITS_IDLE_TIMEOUT_S", "nan", r"limits\.idle_timeout_s"),
        ("TOLLHOUSE_LIMITS_IDLE_TIMEOUT_S", "inf", r"limits\.idle_timeout_s"),
        ("TOLLHOUSE_LIMITS_IDLE_TIMEOUT_S", "1 minute", r"limits\.idle_timeout_s: expected a number, got text"),
        ("TOLLHOUSE_JOURNAL_BYTES_MAX", "-5", r"journal\.bytes_max"),
        ("TOLLHOUSE_JOURNAL_DURABILITY", "eternal", r"journal\.durability: invalid enum value"),
        ("TOLLHOUSE_PROVIDERS_OPENAI_COLOUR", "red", " names no provider setting"),
        ("TOLLHOUSE_PROVIDERS_OPENAI_KEY_ENV", "KEY", r"providers\.openai\.kind: must be given"),
        ("TOLLHOUSE_WORKER", "3", r"there is no such setting; did you mean TOLLHOUSE_WORKERS\?"),
        ("TOLLHOUSE_NONSENSE", "1", "there is no such setting$"),
        ("TOLLHOUSE_PORT", "8080", "there is no such setting"),
    ],
)
def test_a_bad_value_is_named(variable: str, text: str, names: str) -> None:
    """Wherever it came from, the error says which setting, and what it should be."""
    with pytest.raises(ConfigError, match=names) as caught:
        load(HOME | {variable: text})
    assert str(caught.value).startswith(variable)


def test_variables_of_others_are_left_alone() -> None:
    """Kubernetes sets some for a service of that name; the command line and the tests read some themselves."""
    load(
        HOME
        | {
            "TOLLHOUSE_CONFIG": "x",
            "TOLLHOUSE_PROVE": "full",
            "TOLLHOUSE_SERVICE_HOST": "10.0.0.1",
            "TOLLHOUSE_SERVICE_PORT": "8080",
            "TOLLHOUSE_PORT": "tcp://10.0.0.1:8080",
            "TOLLHOUSE_PORT_8080_TCP_ADDR": "10.0.0.1",
        }
    )


def test_an_error_names_the_option_or_the_file(file: Any) -> None:
    """Each value is blamed on where it was given last, with its path."""
    path = file('workers = 500\n[providers.mine]\nkind = 3\n[providers.other]\nkind = "openai"\n')
    with pytest.raises(ConfigError, match=r"^--workers: must be between 1 and 256$"):
        load(HOME, None, {"workers": 1000})
    with pytest.raises(ConfigError, match=rf"^{path}: providers\.mine\.kind: expected text, got a whole number$"):
        load(HOME, path)
    with pytest.raises(ConfigError, match=rf"^{path}: workers: must be between 1 and 256$"):
        load(HOME | {"TOLLHOUSE_PROVIDERS_MINE_KIND": "openai"}, path)
    with pytest.raises(ConfigError, match=r"^TOLLHOUSE_WORKERS: workers: must be between 1 and 256$"):
        load(HOME | {"TOLLHOUSE_WORKERS": "0", "TOLLHOUSE_PROVIDERS_MINE_KIND": "openai"}, path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("wrokers = 2", r"wrokers: there is no such setting; did you mean workers\?"),
        ("[limits]\nbody_byte_max = 2", r"limits\.body_byte_max: .*; did you mean body_bytes_max\?"),
        ("limits = 3", "limits: expected a table, got a whole number"),
        ("providers = 3", "providers: expected a table"),
        ("[providers]\nopenai = 3", r"providers\.openai: expected a table, got a whole number"),
        ('credentials = "sk-live"', "credentials: keys do not stand in the file"),
        ("workers = ", "is not valid TOML"),
        ('[providers.openai]\nkind = "openai"\nkey = "sk-live"', r"providers\.openai\.key: there is no such setting"),
    ],
)
def test_a_bad_file_is_refused(file: Any, text: str, names: str) -> None:
    """A misspelt name is an error and not a silence; a key has no place in the file."""
    with pytest.raises(ConfigError, match=names) as caught:
        load(HOME, file(text))
    assert "sk-live" not in str(caught.value)
    assert "tollhouse.toml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(ConfigError, match=r"cannot read the configuration file .*missing\.toml: No such file"):
        load(HOME, tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'host = "\xe9"')
    with pytest.raises(ConfigError, match=r"latin\.toml is not valid TOML"):
        load(HOME, tmp_path / "latin.toml")


def test_secrets_come_from_the_environment_and_are_not_shown() -> None:
    """A pepper and the database's secret are read as such."""
    settings = load(HOME | {"TOLLHOUSE_PEPPER": "p" * 64, "TOLLHOUSE_DATABASE_SECRET": "d" * 64})
    assert settings.pepper is not None and settings.database_secret is not None
    assert (settings.pepper.reveal(), settings.database_secret.reveal()) == (b"p" * 64, b"d" * 64)
    assert "p" * 64 not in repr(settings) and "d" * 64 not in repr(settings)


def test_provider_keys_come_from_files_and_variables(file: Any, tmp_path: Path) -> None:
    """Without the newline that editors leave; tables of the file are completed by the environment."""
    (tmp_path / "key").write_text("sk-from-file\n")
    path = file(f'[providers.mine]\nkind = "openai"\nkey_file = "{tmp_path}/key"\n')
    environment = HOME | {
        "TOLLHOUSE_PROVIDERS_MINE_BASE_URL": "https://mine.example",
        "TOLLHOUSE_PROVIDERS_OTHER_KIND": "anthropic",
        "TOLLHOUSE_PROVIDERS_OTHER_KEY_ENV": "OTHER_KEY",
        "OTHER_KEY": " sk-from-variable ",
    }
    settings = load(environment, path)
    assert settings.providers["mine"].base_url == "https://mine.example"
    assert {name: key.reveal() for name, key in settings.credentials.items()} == {
        "mine": b"sk-from-file",
        "other": b"sk-from-variable",
    }


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ('key_file = "/nowhere/key"', "cannot read /nowhere/key: No such file"),
        ('key_file = "EMPTY"', "is empty"),
        ('key_env = "UNSET"', "the environment variable UNSET is not set"),
        ('key_env = "A"\nkey_file = "b"', "give key_file or key_env, not both"),
    ],
)
def test_a_key_that_is_not_there_is_named_by_its_provider(file: Any, tmp_path: Path, table: str, names: str) -> None:
    """A gateway without the key that it was promised would refuse every call."""
    (tmp_path / "empty").write_text("\n")
    table = table.replace("EMPTY", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=rf"providers\.mine[.:].*{names}"):
        load(HOME, file(f'[providers.mine]\nkind = "openai"\n{table}\n'))


def test_a_worker_reads_what_its_supervisor_wrote() -> None:
    """Everything comes back, with secrets of any bytes."""
    settings = Settings(
        data_dir=Path("/data"),
        workers=3,
        pepper=Secret(bytes(range(256))),
        limits=Limits(body_bytes_max=7),
        providers={"demo/openai": ProviderSetting(kind="openai", allow_private=True)},
        credentials={"demo/openai": Secret("sk")},
    )
    back = from_wire(to_wire(settings))
    assert back.pepper is not None and back.pepper.reveal() == bytes(range(256))
    assert back.credentials["demo/openai"].reveal() == b"sk"

    def plain(one: Settings) -> Settings:
        return msgspec.structs.replace(one, pepper=None, credentials={})

    assert plain(back) == plain(settings)


def test_what_has_no_form_on_the_wire_is_refused() -> None:
    """A value of a kind that nobody foresaw ends the program that sends it."""
    strange: Any = object()
    with pytest.raises(TypeError, match="object has no form on the wire"):
        to_wire(Settings(data_dir=strange))
