"""The promise of structured output on the embedded model, kept over schemas chosen to hurt, at temperature 1.5.

`AQUEDUCT_TEST_ROUNDS` says how often each schema is asked for, plain and streamed in turn (1 by default); the seed's
own one is asked for ten times as often.
"""

import json
import os
from typing import Any

import jsonschema_rs
import pytest
from tests.acceptance.asking import chat
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.schemas import SCHEMAS, SEED

ROUNDS = int(os.environ.get("AQUEDUCT_TEST_ROUNDS", "1"))
TRIES = 3
"""In how many calls of the model each schema has to be satisfied once: a hot model may babble up to `max_tokens`."""
QUESTION = [{"role": "user", "content": "Give me an example."}]


def ask(gateway: GatewayProcess, schema: dict[str, Any], *, is_stream: bool) -> RawCall:
    response_format = {"type": "json_schema", "json_schema": {"name": "hard", "schema": schema}}
    fields = {"messages": QUESTION, "temperature": 1.5, "max_tokens": 300, "response_format": response_format}
    return chat(gateway, "default", stream=is_stream, **fields)


def read(answer: RawCall) -> tuple[str, str | None]:
    """Return the content and the finish reason of a plain or streamed answer, or the code of its error."""
    if answer.status != 200:
        return "", answer.error["code"]
    if not answer.headers["content-type"].startswith("text/event-stream"):
        choice = answer.json["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    content, finish_reason = "", None
    for payload in answer.events:
        if payload == b"[DONE]":
            break
        event = json.loads(payload)
        if "error" in event:
            return content, event["error"]["code"]
        for choice in event["choices"]:
            content += choice["delta"].get("content") or ""
            finish_reason = choice["finish_reason"] or finish_reason
    return content, finish_reason


def is_satisfied(schema: dict[str, Any], content: str) -> bool:
    validator = jsonschema_rs.validator_for(schema, validate_formats=True, ignore_unknown_formats=True)
    return bool(validator.is_valid(json.loads(content)))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_satisfied_and_every_answer_that_ends_in_stop_satisfies_its_own(
    embedded: GatewayProcess, name: str
) -> None:
    schema = SCHEMAS[name]
    endings: list[str | None] = []
    calls = 0
    while len(endings) < ROUNDS or ("stop" not in endings and calls < TRIES):
        answer = ask(embedded, schema, is_stream=(len(endings) + len(name)) % 2 == 1)
        content, ending = read(answer)
        assert ending in {"stop", "length", "schema_not_satisfied"}
        assert ending != "stop" or is_satisfied(schema, content), content
        endings.append(ending)
        calls += len(embedded.usage(answer.headers["x-request-id"])["attempts"])
    assert "stop" in endings


def test_the_seed_s_own_schema_is_always_satisfied(embedded: GatewayProcess) -> None:
    for number in range(10 * ROUNDS):
        content, ending = read(ask(embedded, SEED, is_stream=number % 2 == 1))
        assert ending == "stop"
        assert is_satisfied(SEED, content), content
