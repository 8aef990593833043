"""The functions a model may call, and which of them it must, in Gemini's words."""

import re
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.gemini.families import Family
from aqueduct.providers.gemini.schema import translate

Fields = dict[str, msgspec.Raw]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def read_tools(fields: Fields, family: Family) -> dict[str, Any]:
    """Return `tools` and `toolConfig`; raise `InvalidRequest` naming what this model cannot be given."""
    tools = _decoded(fields, "tools") or []
    searches = _search(fields, has_functions=bool(tools))
    if not tools:
        return searches
    functions = [_function(tool, f"tools[{index}]") for index, tool in enumerate(tools)]
    mode, allowed = _choice(_decoded(fields, "tool_choice"), {function["name"] for function in functions})
    if mode == "AUTO":
        functions = [function for function in functions if allowed is None or function["name"] in allowed]
        if family.has_json_schema and all(function.get("strict") for function in functions):
            mode = "VALIDATED"
    config: dict[str, Any] = {"mode": mode}
    if mode == "ANY" and allowed is not None:
        config["allowedFunctionNames"] = sorted(allowed)
    return {
        "tools": [{"functionDeclarations": [_declaration(function, family) for function in functions]}],
        "toolConfig": {"functionCallingConfig": config},
    }


def are_held(fields: Fields, family: Family) -> bool:
    """Whether the calls of all strict functions are held to their schemas: only where all are, and can be."""
    functions = [tool.get("function") or {} for tool in _decoded(fields, "tools") or ()]
    return family.has_json_schema and all(function.get("strict") and _is_exact(function) for function in functions)


def _is_exact(function: dict[str, Any]) -> bool:
    parameters = function.get("parameters")
    translated = translate({"type": "object", **parameters}, has_json_schema=True) if parameters else None
    return not parameters or (translated is not None and translated.is_exact)


def _decoded(fields: Fields, name: str) -> Any:
    return msgspec.json.decode(fields[name]) if name in fields else None


def _search(fields: Fields, *, has_functions: bool) -> dict[str, Any]:
    """Return the search that `web_search_options` asks for: Google's, whose sources become annotations."""
    options = _decoded(fields, "web_search_options")
    if options is None:
        return {}
    if has_functions:
        raise InvalidRequest("This model cannot search while it may call functions.", param="web_search_options")
    if options.get("user_location") is not None:
        raise InvalidRequest(
            "This model's search cannot be told where the user is.", param="web_search_options.user_location"
        )
    return {"tools": [{"googleSearch": {}}]}


def _function(tool: dict[str, Any], path: str) -> dict[str, Any]:
    if tool["type"] != "function":
        raise InvalidRequest("This model takes tools that are functions only.", param=f"{path}.type")
    function: dict[str, Any] = tool["function"]
    if not _NAME.fullmatch(function["name"]):
        raise InvalidRequest(
            "At this model, a function's name begins with a letter or an underscore.", param=f"{path}.function.name"
        )
    return function


def _choice(choice: Any, known: set[str]) -> tuple[str, set[str] | None]:
    """Return the mode, and the names it is narrowed to."""
    if choice is None:
        return "AUTO", None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise InvalidRequest("There is no such choice.", param="tool_choice")
        return _MODES[choice], None
    if choice["type"] == "function":
        mode, names = "ANY", {choice["function"]["name"]}
    elif choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        mode = _MODES.get(allowed["mode"], "AUTO")
        names = {str((tool.get("function") or {}).get("name")) for tool in allowed["tools"]}
    else:
        raise InvalidRequest("This model's choice is among functions only.", param="tool_choice.type")
    if not names or not names <= known:
        raise InvalidRequest("The choice names a tool that is not among 'tools'.", param="tool_choice")
    return mode, names


def _declaration(function: dict[str, Any], family: Family) -> dict[str, Any]:
    """Return a function as Gemini takes it; what its schema language lacks is put into the description."""
    declaration: dict[str, Any] = {"name": function["name"]}
    words = [function["description"]] if function.get("description") else []
    parameters = function.get("parameters")
    if parameters and parameters.get("properties", True):
        parameters = {"type": "object", **parameters}
        translated = translate(parameters, has_json_schema=family.has_json_schema)
        if translated is None or not translated.is_exact:
            schema = msgspec.json.encode(parameters).decode()
            words.append(f"The arguments must satisfy this JSON schema: {schema}")
        if translated is not None:
            name = "parametersJsonSchema" if family.has_json_schema else "parameters"
            declaration[name] = translated.schema
        elif family.has_json_schema:
            declaration["parametersJsonSchema"] = {"type": "object"}
    if words:
        declaration["description"] = "\n".join(words)
    return declaration
