"""Which schemas the event loop checks itself."""

from typing import Any

import pytest

from aqueduct.errors import InvalidJsonSchema
from aqueduct.gateway.schema.limits import MAX_SCHEMA_BYTES, encode_schema, is_checked_inline

ORDINARY = {
    "type": "object",
    "title": "A person",
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "In full."},
        "born": {"type": "string", "format": "date"},
        "pets": {"type": "array", "maxItems": 5, "items": {"enum": ["cat", "dog"]}},
        "email": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}], "default": None},
        "score": {"type": "integer", "multipleOf": 5, "maximum": 100},
    },
    "required": ["name", "born", "pets", "email", "score"],
    "additionalProperties": False,
}


def test_an_ordinary_schema_is_checked_inline() -> None:
    assert is_checked_inline(ORDINARY)
    assert is_checked_inline(ORDINARY, "x" * 4000)
    assert is_checked_inline(True)
    assert is_checked_inline({})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$dynamicRef": "#"},
        {"$recursiveRef": "#"},
        {"$id": "https://example.com/x"},
        {"$defs": {"a": {}}},
        {"definitions": {"a": {}}},
        {"pattern": "a"},
        {"patternProperties": {"a": {}}},
        {"format": "regex"},
        {"format": ["date"]},
        {"uniqueItems": True},
        {"contains": {}},
        {"propertyNames": {}},
        {"unevaluatedProperties": False},
        {"unevaluatedItems": False},
        {"not": {}},
        {"if": {}},
        {"dependentSchemas": {}},
        {"contentSchema": {}},
        {"multipleOf": 0.01},
        {"maximum": 10**300},
        {"minimum": "5"},
        {"properties": []},
        {"anyOf": {}},
        {"items": 5},
        {"nobody-knows": 1},
    ],
    ids=str,
)
def test_a_keyword_that_may_be_slow_or_is_unknown_goes_to_a_worker_wherever_it_stands(schema: dict[str, Any]) -> None:
    assert not is_checked_inline(schema)
    assert not is_checked_inline({"properties": {"a": {"anyOf": [{"items": schema}]}}})


def test_a_keyword_name_used_as_a_property_name_or_a_value_is_no_keyword() -> None:
    assert is_checked_inline({"properties": {"pattern": {"type": "string"}, "$ref": {}}, "const": {"$ref": "x"}})


def test_a_large_schema_or_answer_or_product_of_both_goes_to_a_worker() -> None:
    assert not is_checked_inline({"enum": list(range(400))})
    assert not is_checked_inline({"description": "x" * 5000})
    assert not is_checked_inline({"allOf": [{}] * 400})
    assert not is_checked_inline(True, "x" * 20_000)
    assert is_checked_inline({"enum": list(range(100))}, "x" * 4000)
    assert not is_checked_inline({"enum": list(range(100))}, "x" * 8000)


def test_a_schema_that_is_too_large_or_too_deep_to_encode_is_refused() -> None:
    with pytest.raises(InvalidJsonSchema, match="bytes long"):
        encode_schema({"description": "x" * MAX_SCHEMA_BYTES})
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(InvalidJsonSchema, match="nested deeper"):
        encode_schema(deep)
    while deep:
        deep = deep["not"]
