"""Tools and the choice among them, in Converse's terms.

Source: Bedrock's API reference, `ToolConfiguration` and `ToolChoice`. There is no choice of none: the tools are left
out, which Bedrock allows only while none of them was called.
"""

from typing import Any

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.extras import tool_cache_controls
from aqueduct.providers.anthropic.schema import adapt
from aqueduct.providers.anthropic.tools import chosen
from aqueduct.providers.bedrock.messages import cache_point
from aqueduct.providers.bedrock.models import Family
from aqueduct.providers.functions import parameters_of
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.tools import Function, FunctionTool


def lost_tool_members(request: ChatRequest, family: Family) -> list[str]:
    """Return the path of cache breakpoints that have no place."""
    has_breakpoints = bool(request.parameters.tools) and any(tool_cache_controls(request) or ())
    return ["tools.cache_control"] if has_breakpoints and "tools" not in family.caches else []


def tool_config(request: ChatRequest, family: Family, *, has_calls: bool) -> dict[str, Any] | None:
    """Return `toolConfig`, None where there is nothing to call; raise `InvalidRequest` for what cannot be said."""
    if not request.parameters.tools:
        if has_calls:
            raise InvalidRequest("This model needs the tools that the messages have calls of.", param="tools")
        return None
    if not family.has_tools:
        raise InvalidRequest("This model cannot call tools.", param="tools")
    specs = _specs(request, family)
    kind, names = chosen(request)
    if names is not None and not names <= specs.keys():
        raise InvalidRequest("'tool_choice' names a function that is not among the tools.", param="tool_choice")
    if kind == "none":
        if has_calls:
            raise InvalidRequest(
                "This model chooses by itself whether to call a tool once one was called.", param="tool_choice"
            )
        return None
    if kind == "tool" and "tool" not in family.choices and names:
        kind = "any"  # of this one tool
    if kind != "auto" and kind not in family.choices:
        raise InvalidRequest("This model cannot be made to call a tool; it chooses by itself.", param="tool_choice")
    narrowed = names is not None and kind != "tool"
    tools = [block for name, spec in specs.items() if not narrowed or name in (names or ()) for block in spec]
    if kind == "auto":
        return {"tools": tools}
    return {"tools": tools, "toolChoice": {kind: {"name": next(iter(names))} if kind == "tool" and names else {}}}


def _specs(request: ChatRequest, family: Family) -> dict[str, list[dict[str, Any]]]:
    """Return each function by its name, and what follows it: a cache point, if one is to be there."""
    controls = tool_cache_controls(request)
    specs: dict[str, list[dict[str, Any]]] = {}
    for index, tool in enumerate(request.parameters.tools or ()):
        if not isinstance(tool, FunctionTool):
            raise InvalidRequest("This model can be given functions only as tools.", param=f"tools[{index}]")
        blocks = [{"toolSpec": _spec(tool.function, family)}]
        control = controls[index] if controls else None
        if control and "tools" in family.caches:
            blocks.append(cache_point(control, family))
        specs[tool.function.name] = blocks
    return specs


def _spec(function: Function, family: Family) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": function.name, "inputSchema": {"json": parameters_of(function)}}
    if function.description:
        spec["description"] = function.description
    if function.strict and (schema := _strict_schema(function, family)) is not None:
        spec |= {"inputSchema": {"json": schema}, "strict": True}
    return spec


def _strict_schema(function: Function, family: Family) -> dict[str, Any] | None:
    adapted = adapt(parameters_of(function)) if family.has_schemas else None
    return None if adapted is None else adapted.schema
