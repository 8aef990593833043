"""How a model is held to a JSON schema: in Anthropic's dialect where it can be said, else in other ways."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.anthropic.asking import CHAT, HAIKU, sent, target
from tests.providers.asking import SCHEMA, asked

from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.schema import adapt

NUMBER = {"type": "integer"}
OPEN = {"type": "object", "properties": {"a": NUMBER}}
TOOL = {"type": "function", "function": {"name": "f"}}


def wanting(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}


def way(schema: Any, model: str = HAIKU, configured: StructuredOutput = StructuredOutput.NATIVE, **members: Any) -> str:
    return CHAT.way(asked(response_format=wanting(schema), **members), target(model, way=configured)).value


def test_what_the_dialect_says_goes_as_it_is() -> None:
    adapted = adapt(SCHEMA)
    assert adapted is not None
    assert (adapted.schema, adapted.is_exact) == (SCHEMA, True)
    assert sent(response_format=wanting(SCHEMA))["output_config"] == {
        "format": {"type": "json_schema", "schema": SCHEMA}
    }


def test_the_effort_stands_beside_the_format() -> None:
    config = sent("claude-opus-4-7", response_format=wanting(SCHEMA), reasoning_effort="low")["output_config"]
    assert config.keys() == {"format", "effort"}


@pytest.mark.parametrize(
    ("schema", "expected", "is_exact"),
    [
        (OPEN, {**OPEN, "additionalProperties": False}, True),
        (
            {"type": "integer", "minimum": 1, "description": "Days"},
            {"type": "integer", "description": 'Days\n\nIt must satisfy: {"minimum":1}'},
            False,
        ),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}, True),
        (
            {"type": "string", "format": "zip"},
            {"type": "string", "description": 'It must satisfy: {"format":"zip"}'},
            False,
        ),
        ({"type": ["integer", "null"], "default": None}, {"type": ["integer", "null"]}, True),
        ({"enum": ["a", 1, None]}, {"enum": ["a", 1, None]}, True),
        ({"const": None}, {"const": None}, True),
        ({"oneOf": [NUMBER, {"type": "null"}]}, {"anyOf": [NUMBER, {"type": "null"}]}, False),
        ({"type": "array", "items": NUMBER, "minItems": 1}, {"type": "array", "items": NUMBER, "minItems": 1}, True),
        (
            {"type": "array", "items": NUMBER, "minItems": 2},
            {"type": "array", "items": NUMBER, "description": 'It must satisfy: {"minItems":2}'},
            False,
        ),
        (
            {"$ref": "#/$defs/n", "$defs": {"n": NUMBER}, "description": "A number"},
            {"type": "integer", "description": "A number"},
            True,
        ),
        ({"type": "object", "properties": {}, "additionalProperties": False}, None, True),
    ],
)
def test_a_schema_in_the_dialect(schema: dict[str, Any], expected: dict[str, Any] | None, is_exact: bool) -> None:
    adapted = adapt(schema)
    assert adapted is not None
    assert (adapted.schema, adapted.is_exact) == (expected or schema, is_exact)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": NUMBER},
        {**OPEN, "additionalProperties": NUMBER},
        {**OPEN, "required": ["b"]},
        {"type": "thing"},
        {"enum": [{"a": 1}]},
        {"enum": []},
        {"not": NUMBER},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "https://example.org/schema"},
        {"$ref": "#/nowhere"},
        {"anyOf": []},
        {**OPEN, "anyOf": [{"type": "object", "properties": {"b": NUMBER}}]},
        {"allOf": [OPEN, {"type": "object", "properties": {"b": NUMBER}}]},
    ],
)
def test_what_cannot_be_said_is_not_tried(schema: Any) -> None:
    assert adapt(schema) is None
    assert schema is True or way(schema) != "native"


@pytest.mark.parametrize(
    ("schema", "model", "members", "expected"),
    [
        (SCHEMA, HAIKU, {}, "native"),
        (SCHEMA, HAIKU, {"tools": [TOOL], "reasoning_effort": "low"}, "native"),
        ({**OPEN, "additionalProperties": NUMBER}, HAIKU, {}, "tool"),
        (SCHEMA, "claude-opus-4-1", {}, "tool"),
        (SCHEMA, "claude-opus-4-1", {"tools": [TOOL]}, "instruction"),
        (SCHEMA, "claude-opus-4-1", {"reasoning_effort": "low"}, "instruction"),
        ({"type": "array", "items": NUMBER}, "claude-opus-4-1", {}, "instruction"),
        ({**OPEN, "additionalProperties": NUMBER}, "claude-opus-5-5", {}, "instruction"),
    ],
)
def test_the_way_is_the_best_that_nothing_stands_against(
    schema: Any, model: str, members: dict[str, Any], expected: str
) -> None:
    if schema == {**OPEN, "additionalProperties": NUMBER}:
        assert adapt(schema) is None
    assert way(schema, model, **members) == expected


def test_the_config_has_the_last_word() -> None:
    assert way(SCHEMA, configured=StructuredOutput.INSTRUCTION) == "instruction"
    assert way(SCHEMA, configured=StructuredOutput.TOOL) == "tool"


def test_any_json_object_is_asked_for_in_words() -> None:
    request = asked(response_format={"type": "json_object"})
    assert CHAT.way(request, target()) is StructuredOutput.INSTRUCTION
    with pytest.raises(InvalidRequest) as caught:
        CHAT.build_request(request, target())
    assert caught.value.param == "response_format"


def test_only_what_is_held_exactly_may_flow() -> None:
    assert CHAT.flows(asked(), target())
    assert CHAT.flows(asked(response_format=wanting(SCHEMA)), target())
    assert not CHAT.flows(asked(response_format=wanting(SCHEMA), stop="x"), target())
    assert not CHAT.flows(asked(response_format=wanting({"type": "integer", "minimum": 1})), target())
    assert not CHAT.flows(asked(response_format=wanting(SCHEMA)), target("claude-opus-4-1"))


leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 0},
        {"enum": ["a", "b"]},
        {"type": ["string", "null"], "maxLength": 3},
        {"const": 1},
        {"type": "object"},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda members, closed: {
                "type": "object",
                "properties": members,
                "required": list(members)[:1],
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.booleans(),
        ),
        st.builds(lambda items: {"type": "array", "items": items, "maxItems": 2}, inner),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)
values = st.recursive(
    st.none() | st.integers(-2, 2) | st.sampled_from(["a", "abcd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)


@given(schemas, values)
def test_what_is_exact_allows_nothing_that_the_schema_does_not(schema: dict[str, Any], value: Any) -> None:
    adapted = adapt(schema)
    if adapted is None:
        return
    jsonschema_rs.validator_for(adapted.schema)
    assert_closed(adapted.schema)
    if adapted.is_exact and jsonschema_rs.is_valid(adapted.schema, value):
        assert jsonschema_rs.is_valid(schema, value), json.dumps([schema, value])


def assert_closed(schema: Any) -> None:
    """Insist that every object of a schema has no other members."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
        for inner in schema.values():
            assert_closed(inner)
    elif isinstance(schema, list):
        for inner in schema:
            assert_closed(inner)
