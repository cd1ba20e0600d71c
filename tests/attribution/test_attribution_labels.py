"""A label is known in every place that a call passes on its way to the ledger and back."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from tollhouse.attribution.model import LABEL_NAMES
from tollhouse.ledger.event import CostEvent
from tollhouse.ledger.fields import FIELDS
from tollhouse.ledger.model import CallFacts
from tollhouse.ledger.store import SPEND_LABELS, CallRow, SpendRow
from tollhouse.storage.migrate import load_migrations

NOT_SUMMED = {"session_id", "trace_id", "prompt_template"}
"""Labels with too many values to keep sums by."""
MIGRATIONS = "\n".join(migration.statements for migration in load_migrations())
QUERIES = files("tollhouse.ledger").joinpath("queries.sql").read_text("utf-8")


def columns(table: str) -> set[str]:
    """What a table was made with, and what was added since."""
    made = re.search(rf"CREATE TABLE {re.escape(table)} \((.*?)\n\)", MIGRATIONS, re.DOTALL)
    assert made is not None
    added = re.findall(rf"ALTER TABLE {re.escape(table)}\s+ADD COLUMN (\w+)", MIGRATIONS)
    return {*re.findall(r"^    (\w+) ", made[1], re.MULTILINE), *added}


def statement(name: str) -> str:
    """The text of a named statement."""
    return QUERIES.split(f"-- name: {name}\n")[1].split("-- name:")[0]


def booking() -> str:
    """The function that books calls, as it was defined last."""
    return re.findall(r"CREATE (?:OR REPLACE )?FUNCTION th\.insert_calls\(.*?\n\$\$;", MIGRATIONS, re.DOTALL)[-1]


@pytest.mark.parametrize("record", [CallFacts, CallRow, CostEvent])
def test_records_have_every_label(record: type[CallFacts | CallRow | CostEvent]) -> None:
    """A call that says a label is recorded with it, and told with it."""
    assert set(LABEL_NAMES) <= set(record.__struct_fields__)


def test_every_label_is_described_as_one() -> None:
    """What people are told is a label is one, and the other way round."""
    assert {name for name, field in FIELDS.items() if field.meaning.startswith("label:")} == set(LABEL_NAMES)


def test_tables_have_every_label() -> None:
    """A column of the calls; one of the sums too, for those that spend is kept by."""
    assert set(LABEL_NAMES) <= columns("th.calls")
    assert set(LABEL_NAMES) - NOT_SUMMED == set(LABEL_NAMES) & columns("th.call_rollups")
    assert set(LABEL_NAMES) - NOT_SUMMED == set(LABEL_NAMES) & set(SPEND_LABELS)
    assert set(SPEND_LABELS) <= set(SpendRow.__struct_fields__) & columns("th.call_rollups")


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_every_label_is_booked_and_read(name: str) -> None:
    """Written to the call's column from the field of that name; read by each statement that gives whole calls."""
    assert re.search(rf"\bc\.{name}\b", booking()) and re.search(rf"\b{name} text\b", booking())
    for reading in ("list_calls", "get_call", "tail_calls"):
        assert re.search(rf"\b{name}\b", statement(reading).split("FROM th.calls")[0])
