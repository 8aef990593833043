"""JSON schemas in the dialect that Anthropic holds a model to.

Source: Anthropic's page on structured outputs. Every object lists its members and has no others, there is no recursion,
and of the keywords that limit a value only a few are known. What is left out here is said to the model in words and
checked after all; a schema whose objects may have any members cannot be said in the dialect.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.wire.request import StrictFunction

Schema = dict[str, Any]

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_WORDS = frozenset({"title", "description"})
_DEFINITIONS = frozenset({"$defs", "definitions"})
_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"})
"""They limit nothing, so that nothing is lost with them."""

_MAX_DEPTH = 32
_MAX_NODES = 2_000


class Adapted(msgspec.Struct, frozen=True):
    """A schema in the dialect; `is_exact` where all that satisfies it satisfies the original too."""

    schema: Schema
    is_exact: bool


class _Inexpressible(Exception):
    """The dialect cannot say it."""


def adapt(schema: Any) -> Adapted | None:
    """Return the schema in the dialect, or None where it cannot be said."""
    if not isinstance(schema, dict):
        return None
    writer = _Writer(schema)
    try:
        adapted = writer.write(schema, 0, ())
    except _Inexpressible:
        return None
    return Adapted(adapted, writer.is_exact)


def holds_strictly(functions: Mapping[str, StrictFunction], *, has_schemas: bool) -> bool:
    """Whether a model is held exactly to the schemas of all these functions; `has_schemas`: it can be held to any."""
    adapted = [adapt({"type": "object", **function.schema}) for function in functions.values()]
    return has_schemas and all(each is not None and each.is_exact for each in adapted)


class _Writer:
    """Writes one schema anew, its references put in place: so that none is recursive."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._nodes = 0
        self.is_exact = True

    def write(self, schema: Any, depth: int, seen: tuple[str, ...]) -> Schema:
        self._nodes += 1
        if not isinstance(schema, dict) or depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _Inexpressible
        if "$ref" in schema:
            return self._referenced(schema, depth, seen)
        written: Schema = {}
        lost = {name: value for name, value in schema.items() if name not in _ANNOTATIONS | _DEFINITIONS}
        for name in ({"type"} | _WORDS) & lost.keys():
            written[name] = lost.pop(name)
        self._write_literals(lost, written)
        self._write_branches(lost, written, depth, seen)
        types = _types(written, lost)
        if "object" in types:
            self._write_object(lost, written, depth, seen)
        if "array" in types:
            self._write_array(lost, written, depth, seen)
        if lost.get("format") in _FORMATS and "string" in types:
            written["format"] = lost.pop("format")
        if not written.keys() & {"type", "enum", "const", "anyOf", "allOf"}:
            raise _Inexpressible  # anything at all
        return self._told(lost, written)

    def _referenced(self, schema: Schema, depth: int, seen: tuple[str, ...]) -> Schema:
        reference = schema["$ref"]
        if not isinstance(reference, str) or reference in seen:
            raise _Inexpressible
        target: Any = self._root
        if reference != "#":
            if not reference.startswith("#/"):
                raise _Inexpressible
            for step in reference[2:].split("/"):
                if not isinstance(target, dict):
                    raise _Inexpressible
                target = target.get(step.replace("~1", "/").replace("~0", "~"))
        written = self.write(target, depth + 1, (*seen, reference))
        beside = {name: value for name, value in schema.items() if name not in _ANNOTATIONS | {"$ref"} | _DEFINITIONS}
        for name in _WORDS & beside.keys():
            written[name] = beside.pop(name)
        return self._told(beside, written)

    def _write_literals(self, lost: Schema, written: Schema) -> None:
        for name, values in (("enum", lost.get("enum")), ("const", [lost.get("const")])):
            if name not in lost:
                continue
            if not isinstance(values, list) or not values or any(isinstance(value, dict | list) for value in values):
                raise _Inexpressible
            written[name] = lost.pop(name)

    def _write_branches(self, lost: Schema, written: Schema, depth: int, seen: tuple[str, ...]) -> None:
        for name, become in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
            if name not in lost:
                continue
            branches = lost.pop(name)
            if not isinstance(branches, list) or not branches or become in written or "properties" in lost:
                raise _Inexpressible  # each would forbid the others' members
            written[become] = [self.write(branch, depth + 1, seen) for branch in branches]
            self.is_exact = self.is_exact and name == "anyOf"
        if "allOf" in written and len(written["allOf"]) > 1 and any("properties" in part for part in written["allOf"]):
            raise _Inexpressible  # each would forbid the others' members

    def _write_object(self, lost: Schema, written: Schema, depth: int, seen: tuple[str, ...]) -> None:
        members = lost.pop("properties", None)
        others = lost.pop("additionalProperties", True)
        required = lost.pop("required", [])
        if not isinstance(members, Mapping) or (not members and others is not False) or isinstance(others, dict):
            raise _Inexpressible
        if not isinstance(required, list) or not all(name in members for name in required):
            raise _Inexpressible
        written["properties"] = {name: self.write(value, depth + 1, seen) for name, value in members.items()}
        written["additionalProperties"] = False
        if required:
            written["required"] = required

    def _write_array(self, lost: Schema, written: Schema, depth: int, seen: tuple[str, ...]) -> None:
        if "items" in lost:
            written["items"] = self.write(lost.pop("items"), depth + 1, seen)
        if lost.get("minItems") in (0, 1):
            written["minItems"] = lost.pop("minItems")

    def _told(self, lost: Schema, written: Schema) -> Schema:
        """Say in words what the dialect has no keyword for."""
        if not lost:
            return written
        self.is_exact = False
        words = msgspec.json.encode(lost).decode()
        description = written.get("description")
        before = f"{description}\n\n" if isinstance(description, str) and description else ""
        return {**written, "description": f"{before}It must satisfy: {words}"}


def _types(written: Schema, lost: Schema) -> frozenset[str]:
    """Return the types that a schema names; one that has members is an object though it does not say so."""
    named = written.get("type")
    if named is None:
        if "properties" in lost and not written.keys() & {"anyOf", "allOf", "enum", "const"}:
            written["type"] = named = "object"
        else:
            return frozenset()
    names = named if isinstance(named, list) else [named]
    if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
        raise _Inexpressible
    return frozenset(names)
