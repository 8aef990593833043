"""What is checked in the event loop does not hold it: the worst schemas that the limits let through."""

import json
import time
from typing import Any

import pytest

from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.gateway.schema.limits import (
    INLINE_TEXT_CHARACTERS,
    INLINE_WORK,
    encode_schema,
    inline_weight,
    is_checked_inline,
)

MAX_SECONDS = 0.02
"""Generous: about 1 ms is measured on an idle machine, and the best of five runs counts."""


def repeated(keyword: str, branch: dict[str, Any]) -> dict[str, Any]:
    """As many branches as a cheap schema may have."""
    branches = 1
    while is_checked_inline({"items": {keyword: [branch] * (branches + 1)}}):
        branches += 1
    return {keyword: [branch] * branches}


def nested(keyword: str, other: dict[str, Any]) -> dict[str, Any]:
    """As deep as a cheap schema may be."""
    schema: dict[str, Any] = {}
    for _ in range(20):
        schema = {keyword: [other, schema]}
    assert is_checked_inline(schema)
    return schema


def longest(schema: dict[str, Any], item: object) -> str:
    """The longest array of `item` that is checked inline against `schema`."""
    weight = inline_weight(schema, len(encode_schema(schema)))
    assert weight is not None
    room = min(INLINE_TEXT_CHARACTERS, INLINE_WORK // weight)
    text = "[" + ",".join([json.dumps(item)] * (room // (len(json.dumps(item)) + 1) - 1)) + "]"
    assert is_checked_inline(schema, text)
    return text


_items = [
    ({"type": "string"}, 1),
    ({"enum": ["x", "y"]}, 1),
    ({"maximum": 2**53}, 10**300),
    ({"maximum": 2**53}, 1e300),
    ({"multipleOf": 7}, 1e300),
    ({"multipleOf": 2**53 - 1}, 10**4000),
    ({"format": "date-time"}, "2026-11-22T10:00:00Z"),
    ({"format": "email"}, "x" * 60 + "@example.org"),
    ({"format": "hostname"}, "a-b." * 60 + "org"),
    ({"format": "uri"}, "https://example.org/" + "x/" * 200),
    ({"minLength": 10_000}, "é" * 1000),
    ({"const": {"a": [1, 2, {"b": 3}]}}, {"a": [1, 2, {"b": 3}]}),
    ({"required": ["a", "b"]}, {"a": 1, "b": 2}),
    ({"properties": {"a": {"type": "null"}}, "additionalProperties": False}, {"a": 1}),
]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
@pytest.mark.parametrize(("item_schema", "item"), _items, ids=[str(schema)[:40] for schema, _ in _items])
async def test_the_worst_cheap_schemas_are_quick(keyword: str, item_schema: dict[str, Any], item: object) -> None:
    for schema in (
        {"items": repeated(keyword, item_schema)},
        repeated(keyword, {"items": item_schema}),
        nested(keyword, {"items": item_schema}),
    ):
        text = longest(schema, item)
        best = float("inf")
        for _ in range(5):
            # A new checker each time: compiling is part of the cost. The words of a violation come from a worker.
            checker = SchemaChecker()
            started = time.perf_counter()
            known = checker._recall(schema, encode_schema(schema))
            assert known is not None
            assert known.validator is not None
            known.validator.is_valid(json.loads(text))
            best = min(best, time.perf_counter() - started)
        assert best < MAX_SECONDS, f"{best * 1000:.1f} ms for {json.dumps(schema)[:200]}"
