"""Schema: the smallest plain value that satisfies a simple JSON Schema, for tool arguments and structured answers.

Pure. Knows type, properties, required, enum, const, items, minItems, minimum, minLength, anyOf/oneOf/allOf, local $ref
and Gemini's upper-case types; other keywords are ignored. Never recurses deeper than DEPTH_MAX.
"""

from __future__ import annotations

from collections.abc import Mapping

DEPTH_MAX = 12
ITEMS_MAX = 64

_STRINGS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "email": "clerk@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: object, root: object | None = None, depth: int = 0) -> object:
    """A value for a schema; None where nothing is known of it or it nests too deep."""
    if not isinstance(schema, Mapping) or depth > DEPTH_MAX:
        return None
    top = schema if root is None else root
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if "$ref" in schema:
        return sample(_resolve(str(schema["$ref"]), top), top, depth + 1)
    for key in ("anyOf", "any_of", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list) and options:
            return sample(options[0], top, depth + 1)
    return _of_type(schema, top, depth)


def sample_object(schema: object) -> dict[str, object]:
    """A value for a schema that must be an object, as arguments are."""
    value = sample(schema)
    return value if isinstance(value, dict) else {}


def _of_type(schema: Mapping[str, object], root: object, depth: int) -> object:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), None)
    match str(kind).lower() if kind else ("object" if "properties" in schema else ""):
        case "object":
            return _object(schema, root, depth)
        case "array":
            least = _number(schema.get("minItems"), 1)
            return [sample(schema.get("items"), root, depth + 1) for _ in range(min(max(least, 1), ITEMS_MAX))]
        case "string":
            text = _STRINGS.get(str(schema.get("format")), "toll")
            return text.ljust(_number(schema.get("minLength"), 0), "x")
        case "integer":
            return _number(schema.get("minimum"), 1)
        case "number":
            return float(_number(schema.get("minimum"), 1))
        case "boolean":
            return True
        case _:
            return None


def _object(schema: Mapping[str, object], root: object, depth: int) -> dict[str, object]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = schema.get("required")
    names = required if isinstance(required, list) else list(properties)
    return {str(name): sample(properties.get(name), root, depth + 1) for name in names}


def _resolve(reference: str, root: object) -> object:
    node = root
    for step in reference.removeprefix("#").split("/"):
        if step and isinstance(node, Mapping):
            node = node.get(step.replace("~1", "/").replace("~0", "~"))
    return node


def _number(value: object, default: int) -> int:
    return min(int(value), 1_000_000) if isinstance(value, int | float) else default
