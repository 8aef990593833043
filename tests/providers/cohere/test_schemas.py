"""JSON schemas in Cohere's dialect: what is kept, what is said in words, and what cannot be said."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.providers.cohere.schema import adapt


def person(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": sorted(members)[:1]}


@pytest.mark.parametrize(
    "schema",
    [
        person(name={"type": "string"}),
        person(name={"type": "string", "enum": ["a", "b"]}, age={"type": "integer"}),
        person(tags={"type": "array", "items": {"type": "string", "format": "date"}}),
        person(any={"type": "array"}),
        person(one={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        {**person(a={"$ref": "#/$defs/b"}), "$defs": {"b": person(c={"type": "number"})}},
        {**person(a={"type": "string"}), "additionalProperties": False},
    ],
)
def test_what_the_dialect_has_is_kept_exactly(schema: dict[str, Any]) -> None:
    adapted = adapt(schema)
    assert adapted is not None
    assert (adapted.schema, adapted.is_exact) == (schema, True)


def test_several_types_are_a_choice() -> None:
    adapted = adapt(person(a={"type": ["string", "null"], "description": "A."}))
    assert adapted is not None
    branches = [{"type": "string"}, {"type": "null"}]
    assert adapted.schema["properties"]["a"] == {"description": "A.", "anyOf": branches}
    assert adapted.is_exact


@pytest.mark.parametrize(("pattern", "kept"), [("^[a-z]+$", "[a-z]+"), ("ab", "ab"), ("^a", "a")])
def test_a_pattern_loses_its_anchors(pattern: str, kept: str) -> None:
    adapted = adapt(person(a={"type": "string", "pattern": pattern}))
    assert adapted is not None
    assert adapted.schema["properties"]["a"]["pattern"] == kept
    assert adapted.is_exact


@pytest.mark.parametrize(
    "lost", [{"minLength": 1}, {"pattern": "a(?!b)"}, {"pattern": "a$|b"}, {"format": "email"}, {"not": {"const": "x"}}]
)
def test_what_the_dialect_lacks_is_said_in_words(lost: dict[str, Any]) -> None:
    adapted = adapt(person(a={"type": "string", "description": "A.", **lost}))
    assert adapted is not None
    member = adapted.schema["properties"]["a"]
    assert member["description"].startswith("A.\n\nIt must satisfy: {")
    assert not lost.keys() & member.keys()
    assert not adapted.is_exact


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        person(a={"type": "object", "properties": {}}),
        person(a={}),
        person(a={"$ref": "#"}),
        person(a={"enum": [[1]]}),
        person(a={"allOf": [{"type": "string"}]}),
    ],
)
def test_what_breaks_the_rules_for_objects_cannot_be_said(schema: Any) -> None:
    assert adapt(schema) is None


scalars: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 2},
        {"type": ["integer", "null"], "minimum": 3},
        {"const": 1},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    ]
)
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(st.sampled_from("ab"), inner, min_size=1).map(lambda members: person(**members))
        | inner.map(lambda items: {"type": "array", "items": items, "maxItems": 1})
    ),
    max_leaves=4,
)
values = st.recursive(
    st.none() | st.integers(0, 4) | st.sampled_from(["", "abc"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


@given(schemas.map(lambda inner: person(a=inner)), values.map(lambda inner: {"a": inner}))
def test_an_exact_schema_says_the_same_and_any_other_says_less(schema: dict[str, Any], value: Any) -> None:
    adapted = adapt(schema)
    assert adapted is not None
    held, meant = jsonschema_rs.is_valid(adapted.schema, value), jsonschema_rs.is_valid(schema, value)
    assert held >= meant
    if adapted.is_exact:
        assert held == meant
