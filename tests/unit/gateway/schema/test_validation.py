"""What a schema means here, and the words for an answer that breaks it."""

from typing import Any

import pytest

from aqueduct.gateway.schema.validation import MAX_WORDS, BadSchema, compile_schema, violation_words


@pytest.mark.parametrize(
    ("schema", "text", "words"),
    [
        ({"type": "integer"}, '"3"', 'At the top level: the value is not of type "integer".'),
        (
            {"properties": {"pets": {"items": {"properties": {"age": {"maximum": 30}}}}}},
            '{"pets": [{"age": 3}, {"age": 31}]}',
            "At pets[1].age: the value is greater than the maximum of 30.",
        ),
        ({"required": ["name"]}, "{}", 'At the top level: "name" is a required property.'),
        (
            {"properties": {"y": {}}, "additionalProperties": False},
            '{"x": 1}',
            "At the top level: Additional properties are not allowed ('x' was unexpected).",
        ),
        ({"enum": ["a", "b"]}, '"c"', 'At the top level: the value is not one of "a" or "b".'),
        ({}, "Sure! {}", "The answer is not JSON: expecting value at line 1, column 1."),
        ({}, '{"a": 1, "a": 1}', 'The answer is not JSON: an object has two members named "a".'),
    ],
)
def test_the_words_name_the_place_and_what_is_wrong(schema: dict[str, Any], text: str, words: str) -> None:
    assert violation_words(compile_schema(schema), text) == words


def test_the_words_are_bounded_whatever_the_answer_and_the_schema_hold() -> None:
    long = "x" * 100_000
    cases: list[tuple[dict[str, Any], str]] = [
        ({"type": "integer"}, f'"{long}"'),
        ({"additionalProperties": False}, f'{{"{long}": 1}}'),
        ({"additionalProperties": {"type": "integer"}}, f'{{"{long}": "1"}}'),
        ({"const": long}, '"y"'),
        ({"required": [long]}, "{}"),
        ({}, f'{{"{long}": 1, "{long}": 2}}'),
        ({}, "1e" + "9" * 100_000),
    ]
    for schema, text in cases:
        words = violation_words(compile_schema(schema), text)
        assert words is not None
        assert len(words) <= MAX_WORDS


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "1.0"),
        ({"type": "integer"}, "123456789012345678901234567890"),
        ({"type": "number", "multipleOf": 0.1}, "0.3"),
        ({"format": "date-time"}, '"2026-11-22T10:00:00Z"'),
        ({"format": "nobody-knows"}, '"x"'),
        ({"type": "string", "maxLength": 1}, '"😀"'),
        ({"pattern": "^\\d{3}$"}, '"123"'),
        ({"pattern": "^(?=a)a(b)\\1$"}, '"abb"'),
        ({"properties": {"a": {"type": "string"}}}, "[]"),
        (True, "1"),
        ({"prefixItems": [{"type": "integer"}], "items": False}, "[1]"),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}, '[1, "x"]'),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 1, "exclusiveMaximum": True}, "0.9"),
    ],
)
def test_an_answer_that_satisfies_its_schema_has_no_violation(schema: dict[str, Any] | bool, text: str) -> None:
    assert violation_words(compile_schema(schema), text) is None


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (False, "1"),
        ({"type": "integer"}, "1.5"),
        ({"type": "integer"}, "true"),
        ({"type": "number", "multipleOf": 0.1}, "0.35"),
        ({"format": "date-time"}, '"2026-11-22T10:00:00"'),
        ({"format": "email"}, '"nobody"'),
        ({"format": "uuid"}, '"nobody"'),
        ({"format": "ipv4"}, '"256.1.1.1"'),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}, '["x"]'),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 1, "exclusiveMaximum": True}, "1"),
    ],
)
def test_an_answer_that_breaks_its_schema_has_one(schema: dict[str, Any] | bool, text: str) -> None:
    assert violation_words(compile_schema(schema), text) is not None


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "strnig"}, "At type: "),
        ({"properties": {"a": {"minimum": "1"}}}, "At properties.a.minimum: "),
        ({"pattern": "("}, "At pattern: "),
        ({"pattern": "(?=a)(a{1000}){1000}"}, "At pattern: "),
        ({"$ref": "#/$defs/nowhere"}, "does not exist"),
        ({"$ref": "other.json"}, "is not present"),
        ({"$schema": "https://example.com/mine"}, "Unknown meta-schema"),
        ({"items": [{"type": "integer"}]}, "At items: "),
    ],
)
def test_a_schema_that_is_none_is_refused_with_the_place(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadSchema) as refusal:
        compile_schema(schema)
    assert reason in str(refusal.value)


def test_a_schema_nested_deeper_than_the_limit_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(63):
        schema = {"not": schema}
    compile_schema(schema)
    with pytest.raises(BadSchema, match="deeper than 64"):
        compile_schema({"not": {"not": schema}})


def test_a_schema_that_refers_to_itself_describes_recursive_answers() -> None:
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    validator = compile_schema(tree)
    assert violation_words(validator, '{"children": [{"children": []}]}') is None
    assert violation_words(validator, '{"children": [{"children": 1}]}') == (
        'At children[0].children: the value is not of type "array".'
    )


def test_a_schema_that_refers_to_itself_without_end_satisfies_nobody_and_crashes_nothing() -> None:
    try:
        validator = compile_schema({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}})
    except BadSchema:
        return
    violation_words(validator, "1")
