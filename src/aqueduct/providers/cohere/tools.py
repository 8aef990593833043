"""Tools and the choice among them, in Cohere's terms.

Source: Cohere's API reference, `ToolV2`, `tool_choice` and `strict_tools`. A choice of one function is said by giving
that one alone and requiring a call.
"""

from typing import Any

from aqueduct.providers.functions import given_functions, parameters_of, read_functions
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


def loosened_tools(request: ChatRequest) -> list[str]:
    """Return the paths of `strict` where it does not hold: Cohere holds to their schemas all functions, or none."""
    if _are_strict(read_functions(request).functions):
        return []
    functions = given_functions(request)
    return [f"tools[{index}].function.strict" for index, function in enumerate(functions) if function.strict]


def _are_strict(functions: list[Function]) -> bool:
    """Whether all are to be held to their schemas, and can be: each must require something."""
    return bool(functions) and all(each.strict is True and parameters_of(each).get("required") for each in functions)


def _written(function: Function) -> dict[str, Any]:
    written: dict[str, Any] = {"name": function.name, "parameters": parameters_of(function)}
    return {**written, "description": function.description} if function.description else written
