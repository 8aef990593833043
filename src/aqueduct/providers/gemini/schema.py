"""A JSON schema in what Gemini takes of it: a subset of JSON Schema, or the older dialect of OpenAPI 3.0.

References are put in place, for both: the subset allows little around them, the dialect has none. What neither can say
is left out where that only loosens the schema, and `is_exact` is then false; the caller puts the whole schema in words
beside it. What cannot be left out makes the schema inexpressible. Sources: `GenerationConfig.responseJsonSchema` and
`Schema` of the Gemini API.
"""

from collections.abc import Callable
from typing import Any

import msgspec

Schema = dict[str, Any]

_MAX_NODES = 2000
"""How large the schema may become by putting its references in place."""

_LOOSENING = frozenset(
    {"not", "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"}
    | {"dependencies", "contains", "minContains", "maxContains", "uniqueItems", "multipleOf", "exclusiveMinimum"}
    | {"exclusiveMaximum", "unevaluatedProperties", "unevaluatedItems", "additionalItems", "$dynamicRef"}
)
"""Keywords that Gemini does not have in any form; without them more is allowed."""

_BOUNDS = ("minItems", "maxItems", "minimum", "maximum")
_DIALECT_BOUNDS = ("minLength", "maxLength", "pattern", "minProperties", "maxProperties")
"""Keywords that the dialect has, and the subset of JSON Schema has not."""

_HARMLESS = frozenset(
    {"title", "description", "$defs", "definitions", "$schema", "$id", "$comment", "default", "examples"}
)
"""Keywords that allow and forbid nothing."""

_ANY = ("string", "number", "boolean", "object", "array", "null")
_KINDS = frozenset({*_ANY, "integer"})
_TYPE_BY_KEYWORD = {"properties": "object", "required": "object", "additionalProperties": "object"} | {
    "items": "array",
    "prefixItems": "array",
}


class Translated(msgspec.Struct, frozen=True):
    """A schema as Gemini takes it; `is_exact`: whatever satisfies it satisfies the original."""

    schema: Schema
    is_exact: bool


def translate(schema: Any, *, has_json_schema: bool) -> Translated | None:
    """Return the schema as a model takes it, or None where it cannot be expressed at all."""
    walk = _Walk(schema, _in_subset if has_json_schema else _in_dialect)
    try:
        return Translated(walk.node(schema, ()), walk.is_exact)
    except (_InexpressibleError, RecursionError):
        return None


class _InexpressibleError(Exception):
    """The schema holds what cannot be said, and cannot be left out."""


class _Walk:
    """Walks through one schema; `write` says how a node without references is written."""

    def __init__(self, root: Any, write: "Callable[[_Walk, Schema, Refs], Schema]") -> None:
        self.is_exact = True
        self._root = root
        self._write = write
        self._nodes = 0

    def node(self, node: Any, refs: "Refs") -> Schema:
        """Translate a node; `refs` are the references it stands below, so that a circle is seen."""
        self._nodes += 1
        if self._nodes > _MAX_NODES or node is False:
            raise _InexpressibleError
        if node is True:
            node = {}
        if not isinstance(node, dict):
            raise _InexpressibleError
        if "$ref" in node:
            ref = node["$ref"]
            if ref in refs:
                raise _InexpressibleError
            return self.node(self._merged(self._find(ref), _without(node, "$ref")), (*refs, ref))
        if isinstance(parts := node.get("allOf"), list) and parts:
            self.is_exact = self.is_exact and len(parts) == 1
            return self.node(self._merged(parts[0], _without(node, "allOf")), refs)
        if not _LOOSENING.isdisjoint(node):
            self.is_exact = False
            if "patternProperties" in node:  # what it allows, a bare `additionalProperties` would forbid
                node = _without(node, "additionalProperties")
        return self._write(self, node, refs)

    def _merged(self, first: Any, second: Schema) -> Any:
        """Return one node for two that hold both; of a keyword that both have, the second's is kept."""
        if not isinstance(first, dict):
            return second if first is True else first
        self.is_exact = self.is_exact and not (first.keys() & second.keys()) - _HARMLESS
        return {**first, **second}

    def _find(self, ref: Any) -> Any:
        """Return what a reference within the schema points to (RFC 6901)."""
        if not isinstance(ref, str) or not ref.startswith("#/"):
            raise _InexpressibleError
        found = self._root
        for name in ref[2:].split("/"):
            name = name.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901 -- unescaped, the same name
            if not isinstance(found, dict) or name not in found:
                raise _InexpressibleError
            found = found[name]
        return found

    def common(self, node: Schema, refs: "Refs") -> Schema:
        """Return the members that are written alike in both: words, bounds, properties, elements."""
        written: Schema = {name: node[name] for name in ("title", "description") if isinstance(node.get(name), str)}
        written |= {name: node[name] for name in _BOUNDS if _is_number(node.get(name))}
        if isinstance(properties := node.get("properties"), dict):
            written["properties"] = {name: self.node(each, refs) for name, each in properties.items()}
        if isinstance(required := node.get("required"), list):
            known = [name for name in required if isinstance(name, str) and name in written.get("properties", {})]
            self.is_exact = self.is_exact and len(known) == len(required)
            written |= {"required": known} if known else {}
        items = node.get("items")
        if isinstance(items, list):
            self.is_exact = False
        elif items is not None:
            written["items"] = self.node(items, refs)
        return written

    def loosen(self, node: Schema, keywords: tuple[str, ...]) -> None:
        """Note that keywords are left out."""
        self.is_exact = self.is_exact and not any(name in node for name in keywords)

    def branches(self, node: Schema, refs: "Refs") -> list[Schema] | None:
        """Return the alternatives; exactly one of several is said as any of them."""
        for name in ("anyOf", "oneOf"):
            if isinstance(parts := node.get(name), list) and parts:
                self.is_exact = self.is_exact and name == "anyOf" and "oneOf" not in node
                return [self.node(part, refs) for part in parts]
        return None


Refs = tuple[str, ...]


def _without(node: Schema, name: str) -> Schema:
    return {member: value for member, value in node.items() if member != name}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _enum(node: Schema) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    enum = node.get("enum")
    return enum if isinstance(enum, list) else None


def _types(node: Schema, enum: list[Any] | None) -> list[str]:
    """Return the types a node allows: given, or read off its other keywords (tighter, never looser)."""
    types = node.get("type")
    if types is not None:
        types = types if isinstance(types, list) else [types]
        if not types or any(kind not in _KINDS for kind in types):
            raise _InexpressibleError
        return types
    for keyword, kind in _TYPE_BY_KEYWORD.items():
        if keyword in node:
            return [kind]
    if enum and all(isinstance(value, str) for value in enum):
        return ["string"]
    return ["null"] if enum == [None] else list(_ANY)


def _in_subset(walk: _Walk, node: Schema, refs: Refs) -> Schema:
    """Write a node in the subset of JSON Schema."""
    walk.loosen(node, _DIALECT_BOUNDS)
    written = walk.common(node, refs)
    if isinstance(node.get("format"), str):
        written["format"] = node["format"]
    enum = _enum(node)
    if enum is not None:
        is_sayable = all(isinstance(value, str) or _is_number(value) for value in enum)
        written |= {"enum": enum} if is_sayable else {}
        walk.is_exact = walk.is_exact and is_sayable
    if isinstance(parts := node.get("prefixItems"), list):
        written["prefixItems"] = [walk.node(part, refs) for part in parts]
    more = node.get("additionalProperties")
    if more is not None:
        written["additionalProperties"] = more if isinstance(more, bool) else walk.node(more, refs)
    branches = walk.branches(node, refs)
    if branches is not None:
        written["anyOf"] = branches
    if "type" in node or branches is None:
        types = _types(node, enum if "enum" in written else None)
        written["type"] = types[0] if len(types) == 1 else types
    return written


def _dialect_bounds(node: Schema) -> Schema:
    bounds = {name: node[name] for name in _DIALECT_BOUNDS if _is_number(node.get(name))}
    return bounds | ({"pattern": node["pattern"]} if isinstance(node.get("pattern"), str) else {})


def _in_dialect(walk: _Walk, node: Schema, refs: Refs) -> Schema:
    """Write a node in the dialect of OpenAPI 3.0."""
    written = walk.common(node, refs) | _dialect_bounds(node)
    enum = _enum(node)
    branches = walk.branches(node, refs)
    if branches is not None:
        walk.loosen(node, ("type", "enum", "const"))
        some = [branch for branch in branches if branch.get("type") != "NULL"]
        if not some:
            raise _InexpressibleError
        return written | {"anyOf": some} | ({"nullable": True} if len(some) < len(branches) else {})
    types = _types(node, enum)
    kinds = [kind for kind in types if kind != "null"]
    if len(kinds) > 1:
        raise _InexpressibleError
    if not kinds:
        return {"type": "NULL"}
    written["type"] = kinds[0].upper()
    if len(types) > 1:
        written["nullable"] = True
    if (kinds[0] == "object" and not written.get("properties")) or (kinds[0] == "array" and "items" not in written):
        raise _InexpressibleError
    if kinds[0] == "object":
        written["propertyOrdering"] = list(written["properties"])
        walk.is_exact = walk.is_exact and node.get("additionalProperties") in (None, False)
    walk.is_exact = walk.is_exact and "prefixItems" not in node
    if enum is not None:
        words = [value for value in enum if isinstance(value, str)]
        if kinds == ["string"] and len(words) + (None in enum and len(types) > 1) == len(enum):
            written |= {"format": "enum", "enum": words}
        else:
            walk.is_exact = False
    return written
