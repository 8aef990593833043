"""JSON schemas in the dialect that Cohere holds a model to.

Source: Cohere's page on structured outputs. The schema is an object, every object in it requires at least one member;
of the keywords that limit a value only a few are known. What is left out here is said to the model in words and checked
after all; a schema that breaks the rules for objects cannot be said in the dialect.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Schema = dict[str, Any]

_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_FORMATS = frozenset({"date-time", "uuid", "date", "time"})
_KEPT = frozenset({"title", "description"})
_IGNORED = frozenset({"$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"})
"""They limit nothing, so that nothing is lost with them."""

_MAX_DEPTH = 32


class Adapted(msgspec.Struct, frozen=True):
    """A schema in the dialect; `is_exact` where all that satisfies it satisfies the original too."""

    schema: Schema
    is_exact: bool


class _Inexpressible(Exception):
    """The dialect cannot say it."""


def adapt(schema: Any) -> Adapted | None:
    """Return the schema in the dialect, or None where it cannot be said."""
    if not isinstance(schema, dict) or schema.get("type", "object") != "object" or "properties" not in schema:
        return None
    writer = _Writer()
    try:
        written = writer.write(schema, 0)
    except _Inexpressible:
        return None
    return Adapted(written, writer.is_exact)


class _Writer:
    """Writes one schema anew."""

    def __init__(self) -> None:
        self.is_exact = True

    def write(self, schema: Any, depth: int) -> Schema:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            raise _Inexpressible
        left = {name: value for name, value in schema.items() if name not in _IGNORED}
        written: Schema = {name: left.pop(name) for name in _KEPT & left.keys()}
        for name in ("$defs", "definitions"):
            if name in left:
                written[name] = self._write_all(left.pop(name), depth)
        if "$ref" in left:
            written["$ref"] = _local(left.pop("$ref"))
            return self._told(left, written)
        self._write_values(left, written, depth)
        types = _types(left)
        if len(types) > 1:
            return self._told(left, written | {"anyOf": [self._write_type(kind, dict(left), depth) for kind in types]})
        if types:
            return self._told(left, {**written, **self._write_type(types[0], left, depth)})
        if not written.keys() & {"anyOf", "enum", "const"}:
            raise _Inexpressible  # anything at all
        return self._told(left, written)

    def _write_all(self, schemas: Any, depth: int) -> Schema:
        if not isinstance(schemas, Mapping):
            raise _Inexpressible
        return {name: self.write(schema, depth + 1) for name, schema in schemas.items()}

    def _write_values(self, left: Schema, written: Schema, depth: int) -> None:
        """Write what a schema says whatever the type: a choice of values, or of schemas."""
        for name, values in (("enum", left.get("enum")), ("const", [left.get("const")])):
            if name in left:
                if not isinstance(values, list) or not values or any(isinstance(each, dict | list) for each in values):
                    raise _Inexpressible
                written[name] = left.pop(name)
        for name in ("anyOf", "oneOf"):
            if name in left:
                branches = left.pop(name)
                if not isinstance(branches, list) or not branches or "anyOf" in written or "properties" in left:
                    raise _Inexpressible
                written["anyOf"] = [self.write(branch, depth + 1) for branch in branches]
                self.is_exact = self.is_exact and name == "anyOf"

    def _write_type(self, kind: str, left: Schema, depth: int) -> Schema:
        """Write what a schema says of values of one type; what it said goes out of `left`."""
        written: Schema = {"type": kind}
        if kind == "object":
            written |= self._write_object(left, depth)
        elif kind == "array" and "items" in left:
            written["items"] = self.write(left.pop("items"), depth + 1)
        elif kind == "string":
            if left.get("format") in _FORMATS:
                written["format"] = left.pop("format")
            if (pattern := _pattern(left.get("pattern"))) is not None:
                written["pattern"] = pattern
                del left["pattern"]
        return written

    def _write_object(self, left: Schema, depth: int) -> Schema:
        members, required = left.pop("properties", None), left.pop("required", None)
        if not isinstance(members, Mapping) or not isinstance(required, list) or not required:
            raise _Inexpressible
        if not all(name in members for name in required):
            raise _Inexpressible
        written: Schema = {"properties": self._write_all(members, depth), "required": required}
        others = left.pop("additionalProperties", None)
        if isinstance(others, bool):
            written["additionalProperties"] = others
        elif others is not None:
            left["additionalProperties"] = others
        return written

    def _told(self, left: Schema, written: Schema) -> Schema:
        """Say in words what the dialect has no keyword for."""
        left = {name: value for name, value in left.items() if name != "type"}
        if not left:
            return written
        self.is_exact = False
        words = f"It must satisfy: {msgspec.json.encode(left).decode()}"
        description = written.get("description")
        before = f"{description}\n\n" if isinstance(description, str) and description else ""
        return {**written, "description": before + words}


def _local(reference: Any) -> str:
    if not isinstance(reference, str) or not reference.startswith(("#/$defs/", "#/definitions/")):
        raise _Inexpressible
    return reference


def _types(left: Schema) -> list[str]:
    """Return the types that a schema names; one that has members is an object though it does not say so."""
    named = left.get("type", "object" if "properties" in left else [])
    names = named if isinstance(named, list) else [named]
    if not all(isinstance(name, str) and name in _TYPES for name in names):
        raise _Inexpressible
    return names


def _pattern(pattern: Any) -> str | None:
    """Return a pattern without the anchors at its ends, which Cohere does not know; None if it needs more than that."""
    if not isinstance(pattern, str) or pattern.endswith("\\$"):
        return None
    bare = pattern.removeprefix("^").removesuffix("$")
    return None if not bare or any(each in bare for each in ("^", "$", "(?")) else bare
