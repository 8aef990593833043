"""Writes docs/reference/structured-output.md from what the adapters do: scripts/structured_output.py.

Nothing in its table is said by hand: each cell is what a kind's adapter answers for a probe, as the gateway asks it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.errors import InvalidRequest
from aqueduct.gateway.schema_prompt import hold_to_schema
from aqueduct.providers.anthropic import models as anthropic
from aqueduct.providers.base import Operation
from aqueduct.providers.bedrock import models as bedrock
from aqueduct.providers.gemini import families as gemini
from aqueduct.providers.registry import KINDS, Kind
from aqueduct.wire.chat import ChatRequest, parse_chat

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "structured-output.md"

_CLOSED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}
_RICH = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}, "inner": {"$ref": "#"}},
    "required": ["name"],
}
"""A pattern, recursion, and members that are not named."""

_TOOL = {"type": "function", "function": {"name": "look", "parameters": _CLOSED}}
_STRICT_TOOL = {"type": "function", "function": {"name": "look", "parameters": _CLOSED, "strict": True}}

_GEMINI = {
    "before Gemini 2.5": "gemini-2.0-flash",
    "Gemini 2.5, images and speech": "gemini-2.5-flash-image",
    "Gemini 2.5 Pro": "gemini-2.5-pro",
    "Gemini 2.5 Flash-Lite": "gemini-2.5-flash-lite",
    "Gemini 2.5 Flash": "gemini-2.5-flash",
    "since Gemini 3, images and speech": "gemini-3-pro-image",
    "Gemini 3 Pro": "gemini-3-pro",
    "Gemini 3, 3.1 and 3.5 Flash": "gemini-3-flash",
    "Gemma": "gemma-3-27b-it",
    "all others": "gemini-9-ultra",
}
"""A model of each family."""

_HEAD = """# Structured output

A `response_format` of type `json_schema` or `json_object` is a promise about every answer that ends in `stop`, and
`strict` about the arguments of every call of that function: they satisfy the JSON schema, or the client gets the
error `schema_not_satisfied`. That holds whatever a provider can do, and with every row below: **the gateway validates
each answer itself**. What is cut by its length, or refused, is handed on as it is.

What differs is how a model is brought to it, and whether a stream has to wait:

- `native`: the provider holds the model to the schema. `tool`: a call of one function with that schema is forced, and
  its arguments become the content. `instruction`: the schema is put in words.
- A plain answer that breaks its schema is asked for again at most twice, with the validator's words.
- A stream `flows` where the provider holds the model to exactly that schema: it is validated at its end, and a
  failure is an error event. Elsewhere it `waits`: the answer is completed and validated first, asked for again if
  need be, and streamed then.
- `400`: the combination is refused, naming the parameter.

The columns: a schema of a closed object whose members are all required; one with a pattern, recursion and members
that are not named, which dialects lack; the first one beside tools; and a `strict` function with the first one as its
parameters. `structured_output` in [aqueduct.yaml](config.md) chooses another way for a provider or a model. The table
is written by `scripts/structured_output.py` from the adapters themselves.

| kind | models | closed object | rich schema | beside tools | strict function |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows())


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table; models of a kind that behave alike share one."""
    for name, kind in KINDS.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for label, model in models_of(name):
            alike.setdefault(cells(name, kind, model), []).append(label)
        for found, labels in alike.items():
            yield (f"`{name}`", ", ".join(labels), *found)


def models_of(kind: str) -> Iterator[tuple[str, str]]:
    """Yield what the page calls the models that a kind tells apart, with the name of one of each."""
    if kind == "anthropic":
        yield from ((f"`claude-{name}`", f"claude-{name}") for name in anthropic.FAMILIES)
        yield "another maker's", "some-model"
    elif kind == "bedrock":
        yield from ((f"`{name}`", f"{name}-x" if "." in name else f"{name}.x") for name in bedrock.FAMILIES)
        yield from ((f"`anthropic.claude-{name}`", f"anthropic.claude-{name}-v1:0") for name in anthropic.FAMILIES)
        yield "all others", "some-model"
    elif kind in ("gemini", "vertex"):
        for name, (_, family) in gemini.FAMILIES.items():
            if gemini.family_of(_GEMINI[name]) is not family:
                raise ValueError(f"{_GEMINI[name]} is not of the family {name!r}")
            yield name, _GEMINI[name]
    else:
        yield "all", "some-model"


def cells(name: str, kind: Kind, model: str) -> tuple[str, ...]:
    """Return what a model does for each probe."""
    options = {option: value or "x" for option, value in kind.options.items()}
    origin = Origin("https", "api.example", 443)
    provider = Provider(name=name, kind=name, origin=origin, base_path="/v1", options=options)
    target = Target(provider=provider, model=model, structured_output=kind.structured_output)
    operation = kind.adapter["chat"]
    return (
        _schema_cell(operation, target, _request(schema=_CLOSED)),
        _schema_cell(operation, target, _request(schema=_RICH)),
        _schema_cell(operation, target, _request(schema=_CLOSED, tools=[_TOOL])),
        _calls_cell(operation, target, _request(tools=[_STRICT_TOOL])),
    )


def _request(schema: dict[str, Any] | None = None, **members: Any) -> ChatRequest:
    if schema is not None:
        members["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    messages = [{"role": "user", "content": "Hello"}]
    return parse_chat(msgspec.json.encode({"model": "m", "messages": messages, **members}))


def _schema_cell(operation: Operation, target: Target, request: ChatRequest) -> str:
    way = operation.way(request, target)
    try:
        operation.build_request(hold_to_schema(request, request.schema is not None and request.schema, way), target)
    except InvalidRequest as error:
        return f"400 `{error.param}`"
    does_flow = operation.flows(request, target)
    if does_flow and way is not StructuredOutput.NATIVE:
        raise ValueError(f"{target.name}: a stream flows that the provider does not hold")
    return f"{way.value}, {'flows' if does_flow else 'waits'}"


def _calls_cell(operation: Operation, target: Target, request: ChatRequest) -> str:
    try:
        operation.build_request(request, target)
    except InvalidRequest as error:
        return f"400 `{error.param}`"
    return "native, flows" if operation.holds_calls(request, target) else "the gateway, waits"


if __name__ == "__main__":
    PAGE.write_text(page())
