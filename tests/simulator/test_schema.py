"""A value is found for the schemas that tools and structured answers use."""

from __future__ import annotations

import pytest

from tollhouse.simulator.schema import sample, sample_object


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "toll"),
        ({"type": "STRING", "minLength": 6}, "tollxx"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "number"}, 1.0),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"]}, "toll"),
        ({"enum": ["red", "blue"]}, "red"),
        ({"const": 7}, 7),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"$ref": "#/$defs/Name", "$defs": {"Name": {"type": "string"}}}, "toll"),
        ({"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}, {"a": 1}),
        ("not a schema", None),
    ],
)
def test_sample(schema: object, value: object) -> None:
    """Each keyword that is known shapes the value."""
    assert sample(schema) == value


def test_a_schema_that_contains_itself_ends() -> None:
    """A recursive schema is followed to a limited depth."""
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    value = sample(schema)
    depth = 0
    while isinstance(value, dict):
        value, depth = value["next"], depth + 1
    assert 1 <= depth <= 12


def test_arguments_are_always_an_object() -> None:
    """Where a schema is missing or no object, a call has no arguments."""
    assert sample_object(None) == {}
    assert sample_object({"type": "string"}) == {}
