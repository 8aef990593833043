"""Schemas made to hold the validator, to eat memory or to reach out, against real workers."""

import asyncio
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.schema.conftest import watched_loop

from aqueduct.errors import InvalidJsonSchema
from aqueduct.gateway.schema.checker import SchemaChecker

MAX_STALL_SECONDS = 0.25
"""Far below the deadline, far above the 1 ms that is meant: the machine runs other tests too."""

Schema = dict[str, Any]


def chained_any_of(links: int) -> Schema:
    """Each definition tries the next one twice: 2 to the power of `links` visits."""
    definitions: Schema = {
        f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(links)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{links}": {"type": "null"}}}


def chained_all_of(links: int) -> Schema:
    definitions: Schema = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(links)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{links}": {"type": "integer"}}}


def nested(keyword: str, depth: int) -> Schema:
    """Nest `keyword` without any reference: the verdict is cheap, the words for a failure are not."""
    schema: Schema = {"items": {"type": "null"}}
    for _ in range(depth):
        schema = {keyword: [schema, {"items": {"type": "string"}}]}
    return schema


def deep_unevaluated(depth: int) -> Schema:
    schema: Schema = {"properties": {"a": True}}
    for _ in range(depth):
        schema = {"anyOf": [schema, schema], "unevaluatedProperties": False}
    return schema


NUMBERS = json.dumps(list(range(3000)))
UNLIKE_OBJECTS = json.dumps([{"a": [i, {"b": i}]} for i in range(20_000)])

HOSTILE: list[tuple[str, Callable[[], Schema], str]] = [
    ("chained $defs with anyOf", lambda: chained_any_of(26), "1"),
    ("chained $defs with allOf", lambda: chained_all_of(40), "1"),
    ("nested anyOf over an array", lambda: nested("anyOf", 28), NUMBERS),
    ("nested oneOf over an array", lambda: nested("oneOf", 28), NUMBERS),
    ("nested allOf over an array", lambda: nested("allOf", 28), NUMBERS),
    ("unevaluatedProperties in anyOf", lambda: deep_unevaluated(9), json.dumps({f"k{i}": i for i in range(2000)})),
    ("uniqueItems over many objects", lambda: {"uniqueItems": True}, UNLIKE_OBJECTS),
    ("uniqueItems a hundred times", lambda: {"allOf": [{"uniqueItems": True}] * 100}, UNLIKE_OBJECTS),
    ("contains times anyOf", lambda: {"anyOf": [{"contains": {"const": -i}} for i in range(1, 150)]}, NUMBERS),
    ("catastrophic pattern", lambda: {"pattern": "^(a+)+$"}, json.dumps("a" * 50_000 + "b")),
    ("catastrophic back-reference", lambda: {"pattern": "^(a+)+\\1$"}, json.dumps("a" * 50_000 + "b")),
    ("catastrophic lookahead", lambda: {"pattern": "^(?=(a+)+$)(a|aa)+b$"}, json.dumps("a" * 50_000 + "c")),
    ("many patterns", lambda: {"patternProperties": {f"(a|b|{i})*c": {} for i in range(500)}}, '{"abababab": 1}'),
    ("multipleOf a fraction", lambda: {"items": {"allOf": [{"multipleOf": 0.01}] * 90}}, json.dumps([1e300] * 4000)),
    ("a reference to itself alone", lambda: {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "1"),
]


@pytest.mark.parametrize(("make_schema", "text"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
async def test_is_answered_by_the_deadline_while_the_event_loop_runs_on(
    checker: SchemaChecker, make_schema: Callable[[], Schema], text: str
) -> None:
    await checker.check_schema({"$ref": "#/$defs/a", "$defs": {"a": True}})  # a worker is up: its start is not measured
    schema = make_schema()
    async with watched_loop() as stalls:
        started = time.perf_counter()
        try:
            await checker.check_schema(schema)
            await checker.violation(schema, text)
        except InvalidJsonSchema:
            pass
        elapsed = time.perf_counter() - started
    # A compilation and a check, each with its deadline, and perhaps a new worker between them.
    assert elapsed < 2 * 0.5 + 0.5
    assert stalls.longest_seconds < MAX_STALL_SECONDS


async def test_an_answer_that_cannot_be_judged_in_time_counts_as_a_violation_and_the_next_check_works(
    checker: SchemaChecker,
) -> None:
    hostile, harmless = chained_all_of(60), chained_all_of(3)
    assert await checker.violation(harmless, "1") is None
    (before,) = checker.worker_pids
    started = time.perf_counter()
    assert "limits of time and memory" in str(await checker.violation(hostile, "1"))
    assert time.perf_counter() - started < 1.0
    assert await checker.violation(harmless, "1") is None
    assert await checker.violation(harmless, '"1"') == 'At the top level: the value is not of type "integer".'
    assert before not in checker.worker_pids
    assert len(checker.worker_pids) == 1


async def test_a_worker_that_outgrows_its_memory_dies_alone() -> None:
    checker = SchemaChecker(deadline_seconds=10)
    try:
        assert await checker.violation(nested("anyOf", 30), NUMBERS) is not None
        assert await checker.violation(chained_all_of(3), "1") is None
    finally:
        await checker.close()


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$recursiveRef", "$schema"])
@pytest.mark.parametrize("draft", ["2020-12/schema", "2019-09/schema"])
async def test_nothing_outside_the_schema_is_ever_fetched(
    checker: SchemaChecker, tmp_path: pathlib.Path, keyword: str, draft: str
) -> None:
    connections = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\ntrue")
        writer.close()

    secret = tmp_path / "schema.json"
    secret.write_text('{"const": "the secret"}')
    server = await asyncio.start_server(count, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/schema.json"
    async with server:
        for uri in (url, secret.as_uri(), secret.as_posix(), "//localhost/schema.json", "urn:example:nothing"):
            for schema in (
                {keyword: uri},
                {"$id": uri, "properties": {"a": {keyword: "other.json"}}},
                {"properties": {"a": {"$id": "x:y", keyword: uri}}},
                {"$defs": {"a": {"$id": uri, keyword: uri + "/other"}}, "$ref": "#/$defs/a"},
            ):
                whole = (
                    schema if keyword == "$schema" else {"$schema": f"https://json-schema.org/draft/{draft}", **schema}
                )
                try:
                    words = await checker.violation(whole, '{"a": "another"}')
                except InvalidJsonSchema as error:
                    words = error.message
                assert "the secret" not in str(words)
        for uri in (url, secret.as_uri()):
            with pytest.raises(InvalidJsonSchema):
                await checker.check_schema({"$ref": uri})
            with pytest.raises(InvalidJsonSchema):
                await checker.check_schema({"$schema": uri})
    assert connections == 0


async def test_a_schema_may_refer_to_its_own_parts_by_name_pointer_and_anchor(checker: SchemaChecker) -> None:
    for reference in ("#/$defs/word", "#word", "https://example.com/root.json#word", "word.json"):
        schema: Schema = {
            "$id": "https://example.com/root.json",
            "$ref": reference,
            "$defs": {"word": {"$anchor": "word", "type": "string"}, "x": {"$id": "word.json", "type": "string"}},
        }
        await checker.check_schema(schema)
        assert await checker.violation(schema, '"x"') is None
        assert await checker.violation(schema, "1") is not None


async def test_a_schema_that_is_too_large_or_too_deep_is_refused(checker: SchemaChecker) -> None:
    deep: Schema = {}
    for _ in range(70):
        deep = {"not": deep}
    for schema in (
        {"description": "x" * 70_000},
        deep,
        {"type": "strnig"},
        {"$ref": "#/nowhere"},
        {"const": 1, "not": 5},
    ):
        with pytest.raises(InvalidJsonSchema) as refusal:
            await checker.check_schema(schema)
        assert refusal.value.code == "invalid_json_schema"
        assert refusal.value.param == "response_format"
        with pytest.raises(InvalidJsonSchema):
            await checker.violation(schema, "1")


async def test_an_answer_too_large_to_check_counts_as_a_violation(checker: SchemaChecker) -> None:
    assert "longer than" in str(await checker.violation(True, '"' + "x" * (9 * 1024 * 1024) + '"'))
    assert await checker.violation(True, '"' + "x" * (7 * 1024 * 1024) + '"') is None
    assert "half of a surrogate" in str(await checker.violation({"pattern": "a"}, '"\ud800"'))
