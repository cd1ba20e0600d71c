"""Canaries: secrets and content with an unmistakable core, and the search for it in every form a leak may take.

The core is letters and digits, so that it stays as it is inside URL- and JSON-escapes; forms in which every character
is escaped are looked for besides.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from stack import Stack
from tollhouse.storage.secret_file import load_secret, role_password

CORE_BYTES = 12


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is what is sent, `core` the part of it that is searched for."""

    kind: str
    core: str
    text: str


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A canary that got out: which, where, in which form."""

    kind: str
    place: str
    form: str


def hatch(kind: str, pattern: str = "{}") -> Canary:
    """A new one; `{}` in the pattern stands for its core."""
    core = "c4" + secrets.token_hex(CORE_BYTES)
    return Canary(kind=kind, core=core, text=pattern.format(core))


def forms(core: str) -> dict[str, bytes]:
    """The core as it would look in a leak, by the name of the form."""
    plain = core.encode()
    found = {"raw": plain, "hex": plain.hex().encode(), "HEX": plain.hex().upper().encode()}
    found["url"] = "".join(f"%{byte:02X}" for byte in plain).encode()
    found["url, lower case"] = "".join(f"%{byte:02x}" for byte in plain).encode()
    found["json"] = "".join(f"\\u{byte:04x}" for byte in plain).encode()
    for shift in range(3):
        # Characters that also depend on what stands before or after are left out.
        coded = base64.b64encode(bytes(shift) + plain).rstrip(b"=")
        whole = (shift + len(plain)) * 8 // 6
        found[f"base64, shifted by {shift}"] = coded[-(-shift * 8 // 6) : whole]
    return found


class Search:
    """Looks for some canaries in whatever it is given."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._needles = [
            (canary.kind, form, needle) for canary in canaries for form, needle in forms(canary.core).items()
        ]

    def within(self, place: str, content: bytes) -> list[Hit]:
        """Every canary and form found in one place."""
        return [Hit(kind=kind, place=place, form=form) for kind, form, needle in self._needles if needle in content]

    def through(self, places: Iterable[tuple[str, bytes]]) -> list[Hit]:
        """The same for many."""
        return [hit for place, content in places for hit in self.within(place, content)]


def files(directory: Path, excepted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """All files of a data directory but those in the excepted names at its top: logs, journals, run files."""
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if inside.parts[0] not in excepted and path.is_file():
            yield str(inside), path.read_bytes()


def tables(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every row of every table of ours, as JSON and without the escapes that JSON adds; read as superuser, whom no
    policy binds."""
    password = role_password(load_secret(stack.data_dir), "postgres")
    with psycopg.connect(make_conninfo(stack.owner_url(), user="postgres", password=password)) as connection:
        named = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert ("th", "calls") in named
        for schema, table in named:
            rows = sql.SQL("SELECT row_to_json(t)::text FROM {} t").format(sql.Identifier(schema, table))
            content = "\n".join(row[0] for row in connection.execute(rows)).encode()
            yield f"table {schema}.{table}", content + content.replace(b"\\\\", b"\\")
        activity = connection.execute("SELECT row_to_json(a)::text FROM pg_stat_activity a").fetchall()
        yield "pg_stat_activity", "\n".join(row[0] for row in activity).encode()


def processes(pids: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Environment and command line of processes, by name."""
    for name, pid in pids.items():
        for file in ("environ", "cmdline"):
            yield f"{file} of {name}", Path(f"/proc/{pid}/{file}").read_bytes()
