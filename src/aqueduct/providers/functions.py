"""The functions a model may call and the choice among them, read for protocols that know no other tools."""

from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.tools import AllowedToolsChoice, Function, FunctionChoice, FunctionTool

_MODES = frozenset({"auto", "none", "required"})


class FunctionChoices(msgspec.Struct, frozen=True):
    """The functions the model may choose from, and whether it must (`required`), may (`auto`) or may not (`none`)."""

    functions: list[Function]
    mode: str = "auto"


def given_functions(request: ChatRequest) -> list[Function]:
    """Return the functions of the request; raise `InvalidRequest` for tools that are none."""
    functions: list[Function] = []
    for index, tool in enumerate(request.parameters.tools or ()):
        if not isinstance(tool, FunctionTool):
            raise InvalidRequest("This model can be given functions only as tools.", param=f"tools[{index}]")
        functions.append(tool.function)
    return functions


def read_functions(request: ChatRequest) -> FunctionChoices:
    """Return the functions narrowed to those of `tool_choice`; raise `InvalidRequest` for a choice of none of them."""
    functions = given_functions(request)
    if not functions:
        return FunctionChoices([])
    mode, names = read_choice(request)
    if names is None:
        return FunctionChoices(functions, mode)
    if not names or not names <= {function.name for function in functions}:
        raise InvalidRequest("'tool_choice' names a function that is not among the tools.", param="tool_choice")
    return FunctionChoices([function for function in functions if function.name in names], mode)


def read_choice(request: ChatRequest) -> tuple[str, set[str] | None]:
    """Return the mode of `tool_choice` (`auto`, `none`, `required`), and the names that it is among (None: all)."""
    choice = request.parameters.tool_choice
    if choice is None:
        return "auto", None
    if isinstance(choice, str) and choice in _MODES:
        return choice, None
    if isinstance(choice, FunctionChoice):
        return "required", {choice.function.name}
    if isinstance(choice, AllowedToolsChoice) and choice.allowed_tools.mode in ("auto", "required"):
        return choice.allowed_tools.mode, {_allowed_name(tool) for tool in choice.allowed_tools.tools}
    raise InvalidRequest("This model does not know this choice of tools.", param="tool_choice")


def parameters_of(function: Function) -> dict[str, Any]:
    """Return a function's schema, that of an object without members where it has none."""
    raw = function.parameters
    if isinstance(raw, msgspec.UnsetType) or bytes(raw) == b"null":
        return {"type": "object", "properties": {}}
    try:
        schema: dict[str, Any] = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"The parameters of '{function.name}' hold a number out of range.", param="tools"
        ) from None
    return schema if "type" in schema else {"type": "object", **schema}


def object_text(arguments: str) -> str:
    """Return a call's arguments as they were written if they are an object; what is none is put into one."""
    try:
        msgspec.json.decode(arguments.encode("utf-8", "replace"), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return msgspec.json.encode({"arguments": arguments}).decode() if arguments.strip() else "{}"
    return arguments


def _allowed_name(tool: Mapping[str, msgspec.Raw]) -> str:
    try:
        function = msgspec.json.decode(tool.get("function", msgspec.Raw(b"null")))
        if bytes(tool.get("type", b"")) == b'"function"' and isinstance(function["name"], str):
            return function["name"]
    except (msgspec.DecodeError, TypeError, KeyError):
        pass
    raise InvalidRequest("Allowed tools must be functions with a name.", param="tool_choice.allowed_tools.tools")
