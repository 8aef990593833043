"""The validation agrees with the schema that `/openapi.json` publishes, and never fails in another way."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.unit.wire.request_strategies import changed, chats, completions

from aqueduct.errors import InvalidJsonSchema, InvalidRequest
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion
from aqueduct.wire.openapi import build_openapi

Parse = Callable[[bytes], object]

DOCUMENT = build_openapi()
TOLERANT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def validator(path: str) -> jsonschema_rs.Validator:
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**body, "components": DOCUMENT["components"]})


CHATS = validator("/chat/completions")
COMPLETIONS = validator("/completions")


def refusal(parse: Parse, request: Any) -> InvalidRequest | InvalidJsonSchema | None:
    try:
        parse(json.dumps(request).encode())
    except (InvalidRequest, InvalidJsonSchema) as error:
        return error
    return None


@TOLERANT
@given(chats)
def test_every_chat_that_openai_allows_is_parsed(request: Any) -> None:
    assert refusal(parse_chat, request) is None
    assert CHATS.is_valid(request)


@TOLERANT
@given(completions)
def test_every_completion_that_openai_allows_is_parsed(request: Any) -> None:
    assert refusal(parse_completion, request) is None
    assert COMPLETIONS.is_valid(request)


@pytest.mark.parametrize(
    ("parse", "schema", "requests"),
    [(parse_chat, CHATS, changed(chats)), (parse_completion, COMPLETIONS, changed(completions))],
    ids=["chat", "completions"],
)
@settings(TOLERANT, max_examples=300)
@given(data=st.data())
def test_a_changed_request_is_refused_exactly_if_the_schema_forbids_it(
    parse: Parse, schema: jsonschema_rs.Validator, requests: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    request = data.draw(requests)
    error = refusal(parse, request)
    event("parsed" if error is None else "refused")
    assert (error is None) == schema.is_valid(request), error
    if error is not None:
        assert error.param
        assert error.status == 400
