"""The table of fields describes what is recorded, all of it and nothing else."""

from __future__ import annotations

from tollhouse.ledger.fields import FIELDS
from tollhouse.ledger.model import CallClosed


def test_every_recorded_field_is_described_and_none_beside() -> None:
    """The names are those of a closed call."""
    assert sorted(FIELDS) == sorted(CallClosed.__struct_fields__)


def test_every_description_is_complete() -> None:
    """A meaning, a unit, and who says it."""
    assert [name for name, field in FIELDS.items() if not (field.meaning and field.unit and field.source)] == []
