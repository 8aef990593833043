"""How much a schema may ask for, and which schemas are cheap enough for the event loop.

Pure and cheap; what it promises is measured in `tests/integration/schema/test_inline_cost.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from aqueduct.errors import InvalidJsonSchema
from aqueduct.gateway.schema.validation import MAX_SCHEMA_DEPTH

MAX_SCHEMA_BYTES = 64 * 1024
MAX_TEXT_BYTES = 8 * 1024 * 1024

INLINE_SCHEMA_BYTES = 4096
INLINE_SCHEMA_NODES = 300
INLINE_TEXT_CHARACTERS = 16 * 1024
INLINE_WORK = 500_000
"""The most schema nodes times answer characters that are checked in the event loop: about 0.5 ms at 1 ns a unit."""

_EXACT_INTEGER = 2**53

# Each of these visits an instance node at most once per schema node, so that their cost is bounded by the product of
# the two sizes. Left out are keywords that repeat work (`$ref`, `unevaluated*`, `contains`, `if`), keep a table
# (`uniqueItems`) or run a regular expression (`pattern`, `patternProperties`, `format: regex`), and the unknown.
_ANNOTATIONS = frozenset({
    "$comment", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly",
})  # fmt: skip
_NUMBERS = frozenset({
    "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum",
})  # fmt: skip
_VALUES = frozenset({"const", "enum", "required", "type"})
_SCHEMAS = frozenset({"additionalItems", "additionalProperties", "items"})
_SCHEMA_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_CHEAP_FORMATS = frozenset({
    "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid",
})  # fmt: skip


def encode_schema(schema: dict[str, Any] | bool) -> bytes:
    """Return the schema as compact JSON, or raise `InvalidJsonSchema` when it is too large to be looked at."""
    try:
        encoded = msgspec.json.encode(schema)
    except RecursionError:
        raise InvalidJsonSchema(f"The schema is nested deeper than {MAX_SCHEMA_DEPTH} levels.") from None
    if len(encoded) > MAX_SCHEMA_BYTES:
        raise InvalidJsonSchema(f"The schema is {len(encoded)} bytes long; at most {MAX_SCHEMA_BYTES} are allowed.")
    return encoded


def inline_weight(schema: dict[str, Any] | bool, encoded_length: int) -> int | None:
    """Return the number of JSON nodes of a schema made of cheap keywords only, or None for every other schema."""
    if encoded_length > INLINE_SCHEMA_BYTES:
        return None
    weight = 0
    schemas: list[Any] = [schema]
    while schemas:
        subschema = schemas.pop()
        weight += 1
        if isinstance(subschema, bool):
            continue
        if not isinstance(subschema, dict) or weight > INLINE_SCHEMA_NODES:
            return None
        for keyword, value in subschema.items():
            added = _keyword_weight(keyword, value, schemas)
            if added is None:
                return None
            weight += added
    return weight if weight <= INLINE_SCHEMA_NODES else None


def fits_inline(weight: int | None, text: str) -> bool:
    """Whether checking `text` against a schema of this weight takes less than about a millisecond."""
    return weight is not None and len(text) <= INLINE_TEXT_CHARACTERS and weight * len(text) <= INLINE_WORK


def is_checked_inline(schema: dict[str, Any] | bool, text: str = "") -> bool:
    """Whether the event loop itself checks `text` against `schema`; otherwise a worker process does."""
    return fits_inline(inline_weight(schema, len(encode_schema(schema))), text)


def _keyword_weight(keyword: str, value: Any, schemas: list[Any]) -> int | None:
    """Return the nodes that a keyword adds (None: it is not a cheap one), and leave its subschemas in `schemas`."""
    if keyword in _VALUES:
        return _count_nodes(value)
    if _is_cheap_assertion(keyword, value):
        return 1
    below = _subschemas(keyword, value)
    if below is None:
        return None
    schemas.extend(below)
    return 1


def _is_cheap_assertion(keyword: str, value: Any) -> bool:
    if keyword in _NUMBERS:
        return _is_small_number(value)
    if keyword == "multipleOf":
        # By a fraction it is done in big rational numbers: `1e300` by `0.01` takes 10 µs.
        return isinstance(value, int) and _is_small_number(value)
    if keyword == "format":
        return isinstance(value, str) and value in _CHEAP_FORMATS
    return keyword in _ANNOTATIONS


def _subschemas(keyword: str, value: Any) -> Iterable[Any] | None:
    if keyword == "properties" and isinstance(value, dict):
        return value.values()
    if keyword in _SCHEMA_LISTS and isinstance(value, list):
        return value
    return [value] if keyword in _SCHEMAS else None


def _is_small_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= _EXACT_INTEGER


def _count_nodes(value: Any) -> int:
    nodes = 0
    values = [value]
    while values:
        nodes += 1
        node = values.pop()
        if isinstance(node, dict):
            values.extend(node.values())
        elif isinstance(node, list):
            values.extend(node)
    return nodes
