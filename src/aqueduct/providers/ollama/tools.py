"""Tools in Ollama's terms: functions, among which the model chooses by itself.

Ollama knows no `tool_choice`: to call none is said by giving none, and a call cannot be demanded. It reads of a
function's schema what its templates show to the model; references are put in place, since it does not follow them.
"""

from typing import Any

from aqueduct.errors import InvalidRequest
from aqueduct.providers.functions import parameters_of, read_functions
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.tools import Function

_MAX_DEPTH = 16


def read_tools(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the functions the model may call; raise `InvalidRequest` for what Ollama cannot be told."""
    choices = read_functions(request)
    if choices.mode == "required":
        raise InvalidRequest("This model cannot be made to call a tool; it chooses by itself.", param="tool_choice")
    return [] if choices.mode == "none" else [_tool(function) for function in choices.functions]


def _tool(function: Function) -> dict[str, Any]:
    written: dict[str, Any] = {"name": function.name, "description": function.description or ""}
    schema = parameters_of(function)
    placed = _placed(schema, schema, 0)
    written["parameters"] = placed if placed.get("type") == "object" else {**placed, "type": "object"}
    return {"type": "function", "function": written}


def _placed(schema: Any, root: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return a schema with its references in place; one too deep, or recursive, or no object, says nothing."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return {}
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**_placed(_target(schema["$ref"], root), root, depth + 1), **_placed(beside, root, depth + 1)}
    placed = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    if isinstance(members := schema.get("properties"), dict):
        placed["properties"] = {name: _placed(member, root, depth + 1) for name, member in members.items()}
    if "items" in schema:
        placed["items"] = _placed(schema["items"], root, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(branches := schema.get(name), list):
            placed[name] = [_placed(branch, root, depth + 1) for branch in branches]
    return placed


def _target(reference: Any, root: dict[str, Any]) -> Any:
    target: Any = root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    for step in reference[2:].split("/"):
        target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
    return target
