"""Calls of `strict` functions: their arguments satisfy the function's JSON schema, whatever the target can do."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from aqueduct.errors import InvalidJsonSchema, InvalidRequest, UpstreamInvalidResponse
from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.wire.request import Request, StrictFunction

_UNCHECKED_ENDS = frozenset({"length", "content_filter"})
"""What was cut is handed on as it is."""

_NOT_CALLED = "Not called: another call of the same turn had bad arguments."
_UNSENT_MEMBERS = frozenset({"annotations", "audio", "refusal"})
"""What an answer has and no message of a request."""


class BadCalls(NamedTuple):
    """A message with calls that break their schemas: what is wrong with each, by its place among the calls."""

    message: Mapping[str, Any]
    violations: Mapping[int, str]

    @property
    def violation(self) -> str:
        """The first of them, for the client."""
        place = min(self.violations)
        name = self.message["tool_calls"][place]["function"]["name"]
        return f"call of '{name}': {self.violations[place]}"


async def check_functions(functions: Mapping[str, StrictFunction], checker: SchemaChecker) -> None:
    """Raise `InvalidJsonSchema`, naming the function's parameters, for what is not a schema."""
    for function in functions.values():
        try:
            await checker.check_schema(function.schema)
        except InvalidJsonSchema as error:
            words = error.message.replace("response_format", function.path)
            raise InvalidJsonSchema(words, param=function.path) from None


async def bad_calls_of(
    document: Mapping[str, Any], functions: Mapping[str, StrictFunction], checker: SchemaChecker
) -> BadCalls | None:
    """Return the first message of a chat completion with calls that break their schemas, or None."""
    for choice in document.get("choices") or ():
        message = choice.get("message") or {}
        if choice.get("finish_reason") in _UNCHECKED_ENDS:
            continue
        violations: dict[int, str] = {}
        for place, call in enumerate(message.get("tool_calls") or ()):
            called = call.get("function") or {}
            name = called.get("name")
            function = functions.get(name) if isinstance(name, str) else None
            if function is None:
                continue
            violation = await checker.violation(function.schema, called.get("arguments") or "")
            if violation is not None:
                violations[place] = violation
        if violations:
            return BadCalls(message, violations)
    return None


def ask_for_calls_again(request: Request, bad: BadCalls) -> Request:
    """Return the request with the bad calls, and the validator's words as their results, after its messages.

    Raises `UpstreamInvalidResponse` where the message is such as no request may hold.
    """
    messages: list[Any] = msgspec.json.decode(request.fields["messages"], type=list[msgspec.Raw])
    said = {name: value for name, value in bad.message.items() if value is not None and name not in _UNSENT_MEMBERS}
    said["tool_calls"] = calls = [
        {**call, "id": call.get("id") or f"call_{place}", "type": "function"}
        for place, call in enumerate(bad.message["tool_calls"])
    ]
    results = [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": _words(bad.violations[place]) if place in bad.violations else _NOT_CALLED,
        }
        for place, call in enumerate(calls)
    ]
    try:
        return request.with_fields(messages=[*messages, {**said, "role": "assistant"}, *results])
    except InvalidRequest as error:
        raise UpstreamInvalidResponse(f"a message with calls cannot be sent back: {error.message}") from None


def _words(violation: str) -> str:
    return f"Not called: the arguments do not satisfy the function's JSON schema. {violation} Call it again."
