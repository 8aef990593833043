"""Grammars made of schemas: whatever a model writes within an exact one satisfies the schema, and comes to an end."""

import json
import random
import time
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from tests.providers.local.grammar_walk import walk
from tests.providers.local.random_schemas import random_schema
from tests.schemas import SCHEMAS

from aqueduct.providers.grammar.compiler import Grammar, compile_schema

LIMIT = 384
RANDOM_SCHEMAS = 300
NOT_EXPRESSIBLE = {"unique_strings", "property_names", "any_object", "anything"}
"""Those that only a check of the whole answer can tell: a grammar does not remember what it has seen."""


def grammar_of(schema: Any, limit: int = LIMIT) -> Grammar:
    return compile_schema(msgspec.json.encode(schema), limit)


def is_valid(schema: Any, text: str) -> bool:
    validator = jsonschema_rs.validator_for(schema, validate_formats=True, ignore_unknown_formats=True)
    value = json.loads(text, object_pairs_hook=_distinct)
    return value is not _DUPLICATE and bool(validator.is_valid(value))


_DUPLICATE = object()


def _distinct(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _DUPLICATE


@pytest.mark.parametrize("limit", [10, 60, 150, 250, LIMIT, 1500])
@pytest.mark.parametrize("name", SCHEMAS)
def test_every_walk_through_the_grammar_of_a_hard_schema_ends_in_json_that_satisfies_it(name: str, limit: int) -> None:
    grammar = grammar_of(SCHEMAS[name], limit)
    assert grammar.is_exact or name in NOT_EXPRESSIBLE
    for seed in range(3):
        text = walk(grammar.text, random.Random(seed))
        assert is_valid(SCHEMAS[name], text) or not grammar.is_exact, text


def test_an_exact_grammar_of_a_random_schema_holds_nothing_that_breaks_it() -> None:
    first = random.randrange(10**9)
    exact = 0
    for seed in range(first, first + RANDOM_SCHEMAS):
        source = random.Random(seed)
        schema = random_schema(source)
        grammar = grammar_of(schema)
        for _ in range(2):
            text = walk(grammar.text, source)
            if grammar.is_exact:
                assert is_valid(schema, text), f"seed {seed}: {json.dumps(schema)} → {text}"
        exact += grammar.is_exact
    assert exact > RANDOM_SCHEMAS / 4


@pytest.mark.parametrize("limit", [4, 40, 400])
def test_a_longer_limit_gives_longer_strings_and_a_short_one_still_ends(limit: int) -> None:
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    longest = max(len(walk(grammar_of(schema, limit).text, random.Random(seed))) for seed in range(20))
    assert longest < max(12, limit * 4)


def test_json_is_written_in_one_way_only() -> None:
    text = walk(
        grammar_of(
            {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": [1, 2]}}, "required": ["a", "b"]}
        ).text,
        random.Random(1),
    )
    assert text == '{"a": 1, "b": [1, 2]}'


def test_a_schema_nothing_satisfies_still_gives_json_of_its_type() -> None:
    grammar = grammar_of({"type": "object", "required": ["a"], "properties": {"a": False}})
    assert not grammar.is_exact
    assert isinstance(json.loads(walk(grammar.text, random.Random(1))), dict)


def test_a_pattern_that_the_engine_does_not_know_is_left_to_the_check() -> None:
    grammar = grammar_of({"type": "string", "pattern": r"^(?<!x)a\b"})
    assert not grammar.is_exact
    assert isinstance(json.loads(walk(grammar.text, random.Random(1))), str)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5, "properties": [], "required": "a", "anyOf": {}, "allOf": [3], "pattern": 5, "multipleOf": 0},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
        {"type": "object", "minProperties": 10**9},
        {"type": "number", "minimum": 1e308},
        {"type": "number", "minimum": 5e-324, "maximum": 1e-323},
        {"enum": ["\u2028", "\u0000", "a\nb", "}{", '"']},
    ],
)
def test_a_schema_from_hell_gives_a_grammar_all_the_same(schema: Any) -> None:
    json.loads(walk(grammar_of(schema).text, random.Random(1)))


def _chain(kind: str, length: int) -> dict[str, Any]:
    links = {f"d{n}": {kind: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(length)}
    return {"$defs": {**links, f"d{length}": {"type": "integer"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        _chain("anyOf", 25),
        _chain("oneOf", 25),
        _chain("allOf", 25),
        {"allOf": [{"oneOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(30)]},
        {"allOf": [{"anyOf": [{"minimum": n}, {"maximum": -n}, {"multipleOf": n + 1}]} for n in range(30)]},
        {"type": "string", "allOf": [{"pattern": f".*{letter}.{{{n}}}$"} for n, letter in enumerate("abcdefghijkl")]},
        {"type": "string", "pattern": "((a{1,99}){1,99}){1,99}"},
        {"type": "object", "properties": {f"p{n}": {"pattern": f"(a|b)*a(a|b){{{n % 12}}}x{n}"} for n in range(900)}},
        {
            "type": "object",
            "properties": {letter: {"$ref": "#"} for letter in "abcdefgh"},
            "required": list("abcdefgh"),
        },
    ],
)
def test_compiling_is_bounded_whatever_the_schema(schema: Any) -> None:
    started = time.perf_counter()
    grammar_of(schema)
    assert time.perf_counter() - started < 2.0
