"""The schemas of `/openapi.json`, made from the structs that validate requests, so that the two cannot disagree.

What msgspec writes is narrowed or widened only where a struct means something that its fields do not say.
"""

from typing import Any, cast

import msgspec

from aqueduct.wire.chat import ChatParameters
from aqueduct.wire.completions import CompletionParameters
from aqueduct.wire.errors import ErrorEnvelope
from aqueduct.wire.models import ModelList, ModelObject
from aqueduct.wire.validation import OTHER

Json = dict[str, Any]

CHAT_REQUEST = "CreateChatCompletionRequest"
COMPLETION_REQUEST = "CreateCompletionRequest"

_REF = "#/components/schemas/"
_NAMES = {"ChatParameters": CHAT_REQUEST, "CompletionParameters": COMPLETION_REQUEST}
_STRUCTS = (ChatParameters, CompletionParameters, ErrorEnvelope, ModelList, ModelObject)

_INTEGER = {"type": "integer"}
_TEXT = {"type": ["string", "null"]}
_USAGE: Json = {
    "type": ["object", "null"],
    "properties": {"prompt_tokens": _INTEGER, "completion_tokens": _INTEGER, "total_tokens": _INTEGER},
}


def component_schemas() -> Json:
    """Return the schemas of everything that goes over the wire, by name."""
    _, generated = msgspec.json.schema_components(_STRUCTS, ref_template=_REF + "{name}")
    components = cast("dict[str, Json]", _rewritten(generated))
    for known_types, name in _other_variants(components):
        components[name] = _any_type_but(known_types, components[name].get("description", ""))
    components["AssistantMessage"]["anyOf"] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
        for name in ("content", "refusal", "audio", "function_call")
    ] + [{"required": ["tool_calls"], "properties": {"tool_calls": {"type": "array", "minItems": 1}}}]
    components = {_NAMES.get(name, name): schema for name, schema in components.items()}
    return components | _answer_schemas()


def _rewritten(value: Any) -> Any:
    """Return the schema in the words of JSON Schema at large: other names and patterns, no discriminators."""
    if isinstance(value, list):
        return [_rewritten(item) for item in value]
    if not isinstance(value, dict):
        return value
    rewritten = {key: _rewritten(item) for key, item in value.items() if key not in ("discriminator", "title")}
    if isinstance(pattern := rewritten.get("pattern"), str):
        rewritten["pattern"] = pattern.replace(r"\Z", "$")
    if isinstance(ref := rewritten.get("$ref"), str):
        rewritten["$ref"] = _REF + _NAMES.get(ref.removeprefix(_REF), ref.removeprefix(_REF))
    return rewritten


def _other_variants(components: dict[str, Json]) -> list[tuple[list[str], str]]:
    """Find the placeholders of open unions: the types their siblings have, and the placeholder's name."""
    found: list[tuple[list[str], str]] = []
    for union in _unions(components):
        names = [variant["$ref"].removeprefix(_REF) for variant in union if "$ref" in variant]
        tags = {name: _tag(components.get(name, {})) for name in names}
        for name, tag in tags.items():
            if tag == OTHER:
                found.append((sorted(other for other in tags.values() if other not in (OTHER, None)), name))
    return found


def _unions(value: Any) -> list[list[Json]]:
    """Return every `anyOf` within a schema."""
    if isinstance(value, list):
        return [union for item in value for union in _unions(item)]
    if not isinstance(value, dict):
        return []
    own = [value["anyOf"]] if isinstance(value.get("anyOf"), list) else []
    return own + [union for item in value.values() for union in _unions(item)]


def _tag(schema: Json) -> Any:
    values = schema.get("properties", {}).get("type", {}).get("enum") or [None]
    return values[0]


def _any_type_but(known_types: list[str], description: str) -> Json:
    return {
        "type": "object",
        "description": description,
        "properties": {"type": {"type": "string", "not": {"enum": known_types}}},
        "required": ["type"],
    }


def _answer_schemas() -> Json:
    """Return what answers have for certain; whatever else an upstream adds is handed on."""
    message = {"type": "object", "properties": {"role": {"type": "string"}, "content": _TEXT, "refusal": _TEXT}}
    return {
        "ChatCompletion": _completion("chat.completion", {"message": message}),
        "ChatCompletionChunk": _completion("chat.completion.chunk", {"delta": message}),
        "Completion": _completion("text_completion", {"text": {"type": "string"}}),
        "Health": {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]},
    }


def _completion(kind: str, content: Json) -> Json:
    choice = {"type": "object", "properties": {"index": _INTEGER, **content, "finish_reason": _TEXT}}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "object": {"const": kind},
            "created": _INTEGER,
            "model": {"type": "string"},
            "choices": {"type": "array", "items": {**choice, "required": ["index"]}},
            "usage": _USAGE,
        },
        "required": ["id", "object", "created", "model", "choices"],
    }
