"""Tools and the choice among them, in Anthropic's terms.

Source: Anthropic's API reference, `ToolParam` and `ToolChoiceParam`.
"""

from typing import Any

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.extras import tool_cache_controls
from aqueduct.providers.anthropic.models import Family
from aqueduct.providers.anthropic.schema import adapt
from aqueduct.providers.functions import parameters_of, read_choice
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.tools import AllowedToolsChoice, Function, FunctionChoice, FunctionTool

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def has_tools(request: ChatRequest) -> bool:
    """Whether there is anything to call."""
    return bool(request.parameters.tools)


def forces_call(request: ChatRequest) -> bool:
    """Whether the model must call a tool."""
    choice = request.parameters.tool_choice
    if isinstance(choice, AllowedToolsChoice):
        return choice.allowed_tools.mode == "required"
    return has_tools(request) and (choice == "required" or isinstance(choice, FunctionChoice))


def tool_fields(request: ChatRequest, family: Family) -> dict[str, Any]:
    """Return `tools` and `tool_choice`; raise `InvalidRequest` for tools that are no functions."""
    if not has_tools(request):
        return {}
    controls = tool_cache_controls(request)
    tools: dict[str, dict[str, Any]] = {}
    for index, tool in enumerate(request.parameters.tools or ()):
        if not isinstance(tool, FunctionTool):
            raise InvalidRequest("This model can be given functions only as tools.", param=f"tools[{index}]")
        written = _tool(tool.function, family)
        if controls and controls[index]:
            written["cache_control"] = controls[index]
        tools[tool.function.name] = written
    kind, names = chosen(request)
    fields: dict[str, Any] = {"tools": [tool for name, tool in tools.items() if names is None or name in names]}
    if names is not None and not names <= tools.keys():
        raise InvalidRequest("'tool_choice' names a function that is not among the tools.", param="tool_choice")
    choice: dict[str, Any] = {"type": kind}
    if kind == "tool" and names:
        fields["tools"] = list(tools.values())
        choice["name"] = next(iter(names))
    if kind in ("any", "tool") and not family.forces_tools:
        raise InvalidRequest("This model cannot be made to call a tool; it chooses by itself.", param="tool_choice")
    if request.parameters.parallel_tool_calls is False and kind != "none":
        choice["disable_parallel_tool_use"] = True
    return fields if choice == {"type": "auto"} else {**fields, "tool_choice": choice}


def chosen(request: ChatRequest) -> tuple[str, set[str] | None]:
    """Return the type of the choice and the names that it is among, None for all."""
    mode, names = read_choice(request)
    is_of_one = isinstance(request.parameters.tool_choice, FunctionChoice)
    return "tool" if is_of_one else _CHOICES[mode], names


def _tool(function: Function, family: Family) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": function.name, "input_schema": parameters_of(function)}
    if function.description:
        tool["description"] = function.description
    if function.strict and (schema := _strict_schema(function, family)) is not None:
        tool |= {"input_schema": schema, "strict": True}
    return tool


def _strict_schema(function: Function, family: Family) -> dict[str, Any] | None:
    adapted = adapt(parameters_of(function)) if family.has_schemas else None
    return None if adapted is None else adapted.schema
