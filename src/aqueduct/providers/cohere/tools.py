"""Tools and the choice among them, in Cohere's terms.

Source: Cohere's API reference, `ToolV2`, `tool_choice` and `strict_tools`. A choice of one function is said by giving
that one alone and requiring a call.
"""

from typing import Any

from aqueduct.providers.functions import parameters_of, read_functions
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.tools import Function

_MODES = {"none": "NONE", "required": "REQUIRED"}


def tool_fields(request: ChatRequest) -> dict[str, Any]:
    """Return `tools`, `strict_tools` and `tool_choice`; raise `InvalidRequest` for what Cohere cannot be told."""
    choices = read_functions(request)
    if not choices.functions:
        return {}
    fields: dict[str, Any] = {"tools": [{"type": "function", "function": _written(each)} for each in choices.functions]}
    if _are_strict(choices.functions):
        fields["strict_tools"] = True
    if choices.mode in _MODES:
        fields["tool_choice"] = _MODES[choices.mode]
    return fields


def holds_calls(request: ChatRequest) -> bool:
    """Whether calls are held to their schemas: Cohere holds all functions, or none."""
    return _are_strict(read_functions(request).functions)


def _are_strict(functions: list[Function]) -> bool:
    """Whether all are to be held to their schemas, and can be: each must require something."""
    return bool(functions) and all(each.strict is True and parameters_of(each).get("required") for each in functions)


def _written(function: Function) -> dict[str, Any]:
    written: dict[str, Any] = {"name": function.name, "parameters": parameters_of(function)}
    return {**written, "description": function.description} if function.description else written
