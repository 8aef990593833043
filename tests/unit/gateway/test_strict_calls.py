"""Calls of strict functions as models really write them."""

from typing import Any

import pytest

from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.gateway.strict_calls import bad_calls_of
from aqueduct.wire.request import StrictFunction

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
FUNCTIONS = {"f": StrictFunction(SCHEMA, "tools[0].function.parameters")}


def answer(name: Any) -> dict[str, Any]:
    call = {"id": "call_a", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"choices": [{"finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}]}


@pytest.mark.parametrize("name", [{"f": 1}, ["f"], 1, None, "g"], ids=str)
async def test_a_call_whose_name_is_no_text_is_a_call_of_no_strict_function(name: Any) -> None:
    checker = SchemaChecker()
    assert await bad_calls_of(answer(name), FUNCTIONS, checker) is None
    assert await bad_calls_of(answer("f"), FUNCTIONS, checker) is not None
    await checker.close()
