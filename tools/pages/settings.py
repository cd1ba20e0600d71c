"""The page of settings: every field that an operator can choose, with its names, default and meaning.

A field's meaning is its entry in `MEANINGS` and the string under it in `settings.py`. A field with neither is an error,
and so is an entry without a field: neither can be forgotten.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from pages.table import MADE, table
from tollhouse import settings
from tollhouse.settings import JournalSetting, Limits, ProviderSetting, Settings

MEANINGS: dict[str, str] = {
    "data_dir": "where the embedded database, the journal and run files live; `$XDG_DATA_HOME/tollhouse`, else "
    "`~/.local/share/tollhouse`",
    "database_url": "a PostgreSQL of one's own, instead of the embedded one; also read from `DATABASE_URL`",
    "database_direct_url": "past a transaction pooler, for what needs a session; also read from `DATABASE_DIRECT_URL`",
    "host": "address on which to listen",
    "gateway_port": "port of the gateway; 0 picks a free one; also read from `PORT`",
    "console_port": "port of the console; 0 picks a free one",
    "workers": "gateway workers, 1 to 256; without a value, one for each core",
    "log_level": "the least severe level that is logged",
    "snapshot_max_age_s": "how long the last known configuration serves while the database is away",
    "limits.head_bytes_max": "size of a request's head",
    "limits.head_fields_max": "number of header fields",
    "limits.head_timeout_s": "time for the head to arrive",
    "limits.body_bytes_max": "size of a request's body",
    "limits.body_timeout_s": "time for the body to arrive",
    "limits.body_bytes_per_s_min": "rate below which a body is given up",
    "limits.keep_alive_timeout_s": "how long an idle client connection is kept",
    "limits.connect_timeout_s": "time to connect to a provider",
    "limits.first_byte_timeout_s": "time for a provider's answer to begin",
    "limits.idle_timeout_s": "time between two pieces of an answer",
    "limits.total_timeout_s": "time for a whole call",
    "limits.stream_buffer_bytes_max": "what is held of a stream for a slow client, before the provider has to wait",
    "limits.concurrent_calls_max": "calls in flight in one worker",
    "limits.upstream_idle_connections_max": "connections to providers kept for the next call",
    "limits.upstream_idle_timeout_s": "how long such a connection is kept",
    "journal.durability": "`process` survives the death of the process, `power` also that of the machine",
    "journal.bytes_max": "size to which a worker's journal may grow while the database is away",
    "journal.retention_s": "how long segments of the journal are kept on disk after they were shipped",
    "providers.NAME.kind": "which kind of provider it is",
    "providers.NAME.base_url": "where it is; the kind's own address by default",
    "providers.NAME.key_file": "file that holds the provider's key",
    "providers.NAME.key_env": "environment variable that holds it; not both",
    "providers.NAME.allow_private": "whether the address may be in a private network",
    "providers.NAME.workspace": "name of the workspace that it serves",
}
SECTIONS: tuple[tuple[str, str, type[msgspec.Struct]], ...] = (
    ("", "Top level", Settings),
    ("limits.", "`[limits]`", Limits),
    ("journal.", "`[journal]`", JournalSetting),
    ("providers.NAME.", "`[providers.NAME]`", ProviderSetting),
)
NOT_CHOSEN = frozenset(("credentials", "limits", "journal", "providers"))
"""Fields of `Settings` that are sections of their own, or are filled from others."""


def page() -> str:
    """Markdown."""
    parts = [
        f"{MADE}\n# Settings\n\n"
        "Defaults, then the TOML file named by `--config`, then environment variables, then the command line: the\n"
        "later wins. The file names a field by its path; the environment by the same path in capitals, with\n"
        "`TOLLHOUSE_` before it. A provider's `NAME` is the operator's choice. Provider keys are never written in\n"
        "the file itself. A name that is misspelt, in the file or in the environment, is an error; only variables\n"
        "that Kubernetes sets for a service named `tollhouse` are passed over.\n"
    ]
    used: set[str] = set()
    for prefix, title, section in SECTIONS:
        words = _words_under_fields(section)
        rows = []
        for field in msgspec.structs.fields(section):
            if section is Settings and field.name in NOT_CHOSEN:
                continue
            path = prefix + field.name
            meaning = ". ".join(filter(None, (MEANINGS.get(path), words.get(field.name))))
            assert meaning, f"{path} has no meaning: write it under the field in settings.py"
            used.add(path)
            rows.append((f"`{path}`", f"`{_environment_name(path)}`", _default(field), " ".join(meaning.split())))
        parts.append(f"\n## {title}\n\n{table(('setting', 'environment', 'default', 'meaning'), rows)}")
    assert used >= MEANINGS.keys(), f"no such settings: {sorted(MEANINGS.keys() - used)}"
    return "".join(parts)


def _environment_name(path: str) -> str:
    return settings.PREFIX + "_".join(part if part == "NAME" else part.upper() for part in path.split("."))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.name in ("data_dir", "workers"):
        return "found at start"
    if field.default is msgspec.NODEFAULT:
        return "must be given"
    return (
        "none"
        if field.default is None
        else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    )


def _words_under_fields(section: type[msgspec.Struct]) -> dict[str, str]:
    """The strings that stand under the fields of a class."""
    body = next(node for node in ast.parse(inspect.getsource(section)).body if isinstance(node, ast.ClassDef)).body
    return dict(_pairs(body))


def _pairs(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, words in pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant):
            yield field.target.id, str(words.value.value)
