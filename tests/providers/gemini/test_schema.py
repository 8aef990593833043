"""A schema as Gemini takes it: what satisfies an exact translation satisfies the original."""

import random
from typing import Any

import jsonschema_rs
import pytest
from google.genai import types
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.providers.local.random_schemas import random_schema

from aqueduct.providers.gemini.schema import translate

SUBSET = {
    "$defs",
    "title",
    "description",
    "format",
    "type",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "properties",
    "additionalProperties",
    "required",
}
"""What `responseJsonSchema` is documented to read, as far as it is written here."""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, "", "a", "kind", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "kind"]), inner, max_size=3),
    max_leaves=6,
)


def keywords(schema: Any) -> set[str]:
    """Return every keyword in a translated schema."""
    if not isinstance(schema, dict):
        return set()
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    inner += [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    return set(schema).union(*map(keywords, inner))


@given(seed=st.integers(0, 10_000), values=st.lists(VALUES, min_size=5, max_size=20))
def test_the_subset_is_exact_or_says_so(seed: int, values: list[Any]) -> None:
    schema = random_schema(random.Random(seed))
    translated = translate(schema, has_json_schema=True)
    assume(translated is not None)
    assert translated is not None
    assert keywords(translated.schema) <= SUBSET
    if translated.is_exact:
        narrow, original = jsonschema_rs.validator_for(translated.schema), jsonschema_rs.validator_for(schema)
        for value in values:
            assert not narrow.is_valid(value) or original.is_valid(value), (schema, translated.schema, value)


@given(seed=st.integers(0, 10_000))
def test_the_dialect_is_what_googles_own_types_take(seed: int) -> None:
    translated = translate(random_schema(random.Random(seed)), has_json_schema=False)
    if translated is not None:
        types.Schema.model_validate(translated.schema)


@given(schema=VALUES)
def test_what_is_no_schema_does_no_harm(schema: Any) -> None:
    for has_json_schema in (True, False):
        translate({"type": "object", "properties": {"a": schema}, "required": schema}, has_json_schema=has_json_schema)
        translate(schema, has_json_schema=has_json_schema)


def test_a_schema_as_clients_write_them_is_carried_whole() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order",
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}, "minItems": 1},
            "note": {"type": ["string", "null"], "description": "A word."},
            "state": {"const": "open"},
        },
        "required": ["lines", "note", "state"],
        "additionalProperties": False,
        "$defs": {
            "line": {"type": "object", "properties": {"sku": {"type": "string"}}, "additionalProperties": False},
        },
    }
    translated = translate(schema, has_json_schema=True)
    assert translated is not None
    assert translated.is_exact
    line = {"properties": {"sku": {"type": "string"}}, "additionalProperties": False, "type": "object"}
    assert translated.schema == {
        "title": "Order",
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": line, "minItems": 1},
            "note": {"type": ["string", "null"], "description": "A word."},
            "state": {"type": "string", "enum": ["open"]},
        },
        "required": ["lines", "note", "state"],
        "additionalProperties": False,
    }
    older = translate(schema, has_json_schema=False)
    assert older is not None
    assert older.is_exact
    properties = older.schema["properties"]
    assert properties["note"] == {"type": "STRING", "nullable": True, "description": "A word."}
    assert properties["state"] == {"type": "STRING", "format": "enum", "enum": ["open"]}
    assert properties["lines"]["items"]["propertyOrdering"] == ["sku"]


@pytest.mark.parametrize(
    "loose",
    [
        {"type": "string", "pattern": "^a"},
        {"type": "integer", "exclusiveMinimum": 3},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"allOf": [{"type": "string"}, {"enum": ["a"]}]},
        {"type": "object", "required": ["a"]},
        {"type": "string", "not": {"const": "a"}},
        {"enum": [True, "a"]},
    ],
)
def test_what_is_left_out_is_told(loose: dict[str, Any]) -> None:
    translated = translate(loose, has_json_schema=True)
    assert translated is not None
    assert not translated.is_exact


def bomb(depth: int) -> dict[str, Any]:
    """Return a small schema that becomes large when its references are put in place."""
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, depth):
        ref = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {"a": ref, "b": ref}}
    return {"$ref": f"#/$defs/d{depth - 1}", "$defs": definitions}


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "https://example.com/a.json"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}},
        {"type": "text"},
        bomb(60),
    ],
    ids=["false", "outside", "nowhere", "circle", "type", "bomb"],
)
def test_what_cannot_be_expressed_is_none(schema: Any) -> None:
    assert translate(schema, has_json_schema=True) is None
    assert translate(schema, has_json_schema=False) is None
