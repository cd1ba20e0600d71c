"""Proof: no key and no content is found anywhere but where it must be, in whatever form, whatever goes wrong."""

from __future__ import annotations

import base64
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from canaries import Canary, Hit, Search, files, forms, processes, tables
from exposure import UNREACHABLE, Canaries, Exposure, record_echoes, vault_canaries, with_content
from figures import FULL, Figures
from gateway_keys import make_gateway_key
from outage import database_away
from provider import KEY_VARIABLE, Provider
from stack import Stack
from tollhouse.identity.keys import show_once
from tollhouse.storage.secret_file import load_secret, role_password
from witness import free_port

pytestmark = pytest.mark.prove

ROUNDS = 5 if FULL else 1
EXCEPTED = frozenset(("demo.json",)) if FULL else frozenset(("demo.json", "database"))
"""The demo's file is for the demo's own keys. The database's files are searched at full count, its rows always."""


class House:
    """Tollhouse, its provider, and the canaries that fly through them."""

    def __init__(self, stack: Stack, provider: Provider, canaries: Canaries) -> None:
        self.stack, self.provider, self.canaries = stack, provider, canaries
        self.exposure = Exposure(stack.gateway_url, canaries)

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is kept, shown or visible."""
        yield from files(self.stack.data_dir, EXCEPTED)
        yield "the terminal", self.stack.output.read_bytes()
        with urllib.request.urlopen(self.stack.gateway_url + "/metrics") as answer:
            yield "/metrics", answer.read()
        yield from tables(self.stack)
        yield from processes(self._processes())
        yield "answers of Tollhouse's own", b"\n".join(self.exposure.own_answers)

    def _processes(self) -> dict[str, int]:
        workers = {f"worker {number}": pid for number, pid in enumerate(self.stack.worker_pids(), 1)}
        database = int((self.stack.data_dir / "database" / "postmaster.pid").read_text().split("\n", 1)[0])
        return {**workers, "database": database, "simulator": self.provider.pid}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="th-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        keys = vault_canaries()
        record_echoes(place / "recordings", keys)
        (place / "key").write_text(keys[2].text)
        with Provider(place / "recordings") as provider:
            stack = Stack(place, workers=2, environment=_environment(provider, keys[1], place / "key"))
            try:
                stack.start()
                key = show_once(make_gateway_key(stack))
                house = House(stack, provider, with_content(keys, key))
                stack.until(lambda: _is_known(house), 5.0)
                yield house
            finally:
                stack.stop()


def test_no_canary_is_found(house: House, figures: Figures) -> None:
    """Keys, prompts, answers and tool arguments, sent in every dialect and both modes and through every fault, are in
    no log, row, journal, metric, run file, refusal, environment or command line - in none of their forms."""
    stack, exposure = house.stack, house.exposure
    for _ in range(ROUNDS):
        exposure.ordinary_calls()
        exposure.provider_faults()
        exposure.refusals()
        exposure.leave()
        exposure.amid_streams("worker killed", stack.kill_worker)
        stack.until(lambda: len(stack.worker_pids()) == 2, 30.0)
        with database_away(stack):
            exposure.amid_streams("database away", stack.worker_pids)
            exposure.refusals()
        stack.until(lambda: _database_is_back(stack), 30.0)
    search = Search(house.canaries.all())
    places = list(house.places())
    hits = search.through(places)
    _check_that_they_flew(house)
    assert hits == []
    figures.note("kinds of canaries", len(house.canaries.all()))
    figures.note("calls with canaries", exposure.sent)
    figures.note("kinds of faults and refusals they went through", len(set(exposure.faults)))
    figures.note("forms searched for each", len(forms("x")))
    figures.note("places searched", len(places))
    figures.note("bytes searched", sum(len(content) for _, content in places))
    figures.note("refusals of Tollhouse's own searched", len(exposure.own_answers))
    figures.note("found", len(hits))


def test_a_planted_leak_is_found(house: House, figures: Figures) -> None:
    """The control: each kind of canary, written into a log, a journal and a row in each form, is found there."""
    planted = {(canary.kind, form): leak for canary in house.canaries.all() for form, leak in _leaks(canary).items()}
    content = b"\n".join(planted.values())
    log, journal = (house.stack.data_dir / folder / "planted" for folder in ("log", "journal"))
    with psycopg.connect(_superuser(house.stack), autocommit=True) as connection:
        try:
            log.write_bytes(content)
            journal.write_bytes(content)
            connection.execute("CREATE TABLE public.planted (leak text)")
            for leak in planted.values():
                connection.execute("INSERT INTO public.planted VALUES (%s)", (leak.decode(),))
            hits = Search(house.canaries.all()).through(house.places())
        finally:
            log.unlink(missing_ok=True)
            journal.unlink(missing_ok=True)
            connection.execute("DROP TABLE IF EXISTS public.planted")
    expected = {
        Hit(kind=kind, place=place, form=form)
        for kind, form in planted
        for place in ("log/planted", "journal/planted", "table public.planted")
    }
    assert expected <= set(hits)
    figures.note("leaks planted", 3 * len(planted))
    figures.note("of these found", len([hit for hit in set(hits) if hit in expected]))


def _leaks(canary: Canary) -> dict[str, bytes]:
    """The canary's whole text as a leak would show it, in every form, made without the search's own code."""
    text = canary.text.encode()
    before = len(canary.text[: canary.text.index(canary.core)].encode())
    leaks = {
        "raw": b"key=" + text + b";",
        "hex": text.hex().encode(),
        "HEX": text.hex().upper().encode(),
        "url": "".join(f"%{byte:02X}" for byte in text).encode(),
        "url, lower case": "".join(f"%{byte:02x}" for byte in text).encode(),
        "json": "".join(f"\\u{ord(letter):04x}" for letter in canary.text).encode(),
    }
    for shift in range(3):
        aligned = f"base64, shifted by {(before + shift) % 3}"
        leaks[aligned] = base64.b64encode(b"user:pass"[:shift] + text + b"!!")
    return leaks


def _check_that_they_flew(house: House) -> None:
    """Or the search would prove nothing."""
    seen = repr(house.provider.requests(200)).encode()
    canaries = house.canaries
    for canary in (canaries.passed, canaries.vault_variable, canaries.vault_file):
        assert canary.core.encode() in seen, f"no provider was sent the {canary.kind}"
    assert canaries.gateway_key.core.encode() not in seen, "a provider was sent the gateway key"
    relayed = b"".join(house.exposure.relayed)
    for canary in (canaries.response, canaries.arguments, canaries.passed):
        assert canary.core.encode() in relayed, f"no client was answered with the {canary.kind}"
    assert len(house.exposure.own_answers) > 20


def _environment(provider: Provider, in_variable: Canary, file: Path) -> dict[str, str]:
    values = provider.environment(in_variable.text)
    assert values[KEY_VARIABLE] == in_variable.text
    for name in ("ANTHROPIC", "GEMINI"):
        del values[f"TOLLHOUSE_PROVIDERS_{name}_KEY_ENV"]
        values[f"TOLLHOUSE_PROVIDERS_{name}_KEY_FILE"] = str(file)
    start = f"TOLLHOUSE_PROVIDERS_{UNREACHABLE.upper()}_"
    values |= {start + "KIND": "openai", start + "BASE_URL": f"http://127.0.0.1:{free_port()}"}
    values |= {start + "ALLOW_PRIVATE": "true", start + "KEY_FILE": str(file)}
    limits = {"FIRST_BYTE_TIMEOUT_S": "1", "IDLE_TIMEOUT_S": "1", "DRAIN_TIMEOUT_S": "2", "BODY_BYTES_MAX": "65536"}
    return values | {f"TOLLHOUSE_LIMITS_{name}": value for name, value in limits.items()}


def _is_known(house: House) -> bool:
    before = len(house.exposure.relayed)
    house.exposure.call("openai_chat", "output_tokens=1")
    return len(house.exposure.relayed) > before


def _database_is_back(stack: Stack) -> bool:
    with urllib.request.urlopen(stack.gateway_url + "/metrics") as answer:
        waiting = [line for line in answer.read().decode().splitlines() if "journal_unshipped_bytes{" in line]
    return bool(waiting) and all(line.endswith(" 0.0") for line in waiting)


def _superuser(stack: Stack) -> str:
    password = role_password(load_secret(stack.data_dir), "postgres")
    return make_conninfo(stack.owner_url(), user="postgres", password=password)
