"""Random JSON schemas: small, nested, contradictory, with every keyword that the grammar compiler reads."""

import random
from typing import Any

_NAMES = ("a", "b", "c", "kind")
_VALUES: tuple[Any, ...] = (None, True, False, 0, 1, 2, 5, -3, 1.5, "", "a", "ab", "kind", [1], [], {"a": 1}, {})
_PATTERNS = ("^a", "b$", "^[a-c]+$", "[0-9]", "^(x|yz){1,3}$", "^(?=.*1)[a-z1]{2,6}$", "^.{2,4}$")
_FORMATS = ("date", "date-time", "email", "ipv4", "uuid", "uri", "time", "hostname", "made-up")


def random_schema(source: random.Random, depth: int = 3) -> Any:
    """Return a schema that refers to nothing but its own definitions."""
    schema = _schema(source, depth)
    if isinstance(schema, dict) and source.random() < 0.3:
        schema["$defs"] = {"one": _schema(source, 1), "two": _schema(source, 2)}
    else:
        schema = _without_references(schema)
    return schema


def _schema(source: random.Random, depth: int) -> Any:
    if source.random() < 0.05:
        return source.random() < 0.8
    schema: dict[str, Any] = {}
    for build in source.sample(_BUILDERS, source.choice((1, 1, 1, 2, 2, 3))):
        schema |= build(source, depth)
    return schema


def _deeper(source: random.Random, depth: int) -> Any:
    if depth > 0:
        return _schema(source, depth - 1)
    return source.choice(({"type": "integer"}, {"type": "string"}, {"const": 1}, {"type": "boolean"}))


def _type(source: random.Random, depth: int) -> dict[str, Any]:
    names = ("string", "integer", "number", "boolean", "null", "array", "object")
    return {"type": source.choice(names) if source.random() < 0.7 else source.sample(names, 2)}


def _number(source: random.Random, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": source.choice(("integer", "number"))}
    for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if source.random() < 0.4:
            low = -20 if "inimum" in keyword else 0
            bound = source.randint(low, low + 25)
            schema[keyword] = bound if source.random() < 0.6 else bound + source.choice((0.5, 0.25, 0.123))
    if source.random() < 0.4:
        schema["multipleOf"] = source.choice((1, 2, 3, 0.5, 0.25, 0.1, 0.01, 7))
    return schema


def _string(source: random.Random, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if source.random() < 0.5:
        schema["maxLength"] = source.randint(0, 40)
    if source.random() < 0.5:
        schema["minLength"] = source.randint(0, 5)
    if source.random() < 0.4:
        schema["pattern"] = source.choice(_PATTERNS)
    elif source.random() < 0.4:
        schema["format"] = source.choice(_FORMATS)
    return schema


def _values(source: random.Random, depth: int) -> dict[str, Any]:
    if source.random() < 0.3:
        return {"const": source.choice(_VALUES)}
    return {"enum": source.sample(_VALUES, source.randint(1, 5))}


def _array(source: random.Random, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    if source.random() < 0.7:
        schema["items"] = _deeper(source, depth)
    if source.random() < 0.4:
        schema["prefixItems"] = [_deeper(source, depth) for _ in range(source.randint(1, 3))]
    if source.random() < 0.4:
        schema["minItems"] = source.randint(0, 4)
    if source.random() < 0.4:
        schema["maxItems"] = source.randint(0, 5)
    if source.random() < 0.3:
        schema["uniqueItems"] = True
    if source.random() < 0.3:
        schema["contains"] = _deeper(source, depth)
        if source.random() < 0.5:
            schema |= {"minContains": source.randint(0, 2), "maxContains": source.randint(1, 3)}
    if source.random() < 0.1:
        schema["unevaluatedItems"] = False
    return schema


def _object(source: random.Random, depth: int) -> dict[str, Any]:
    names = source.sample(_NAMES, source.randint(0, 3))
    schema: dict[str, Any] = {"type": "object", "properties": {name: _deeper(source, depth) for name in names}}
    if source.random() < 0.6:
        schema["required"] = source.sample(_NAMES, source.randint(1, 2))
    if source.random() < 0.5:
        schema["additionalProperties"] = False if source.random() < 0.6 else _deeper(source, depth)
    if source.random() < 0.2:
        schema["patternProperties"] = {source.choice(("^a", "^x_", "d$")): _deeper(source, depth)}
    if source.random() < 0.2:
        schema["propertyNames"] = {"maxLength": source.randint(1, 4)}
    if source.random() < 0.2:
        schema["minProperties"] = source.randint(0, 3)
    if source.random() < 0.2:
        schema["maxProperties"] = source.randint(0, 3)
    if source.random() < 0.2:
        schema["dependentRequired"] = {source.choice(_NAMES): source.sample(_NAMES, 1)}
    if source.random() < 0.1:
        schema["dependentSchemas"] = {source.choice(_NAMES): _deeper(source, depth)}
    if source.random() < 0.1:
        schema["unevaluatedProperties"] = False
    return schema


def _logic(source: random.Random, depth: int) -> dict[str, Any]:
    keyword = source.choice(("anyOf", "oneOf", "allOf", "not", "if", "$ref"))
    if keyword == "$ref":
        return {"$ref": source.choice(("#/$defs/one", "#/$defs/two", "#"))}
    if keyword == "not":
        return {"not": _deeper(source, depth)}
    if keyword == "if":
        parts = {"if": _deeper(source, depth), "then": _deeper(source, depth), "else": _deeper(source, depth)}
        return {name: part for name, part in parts.items() if name == "if" or source.random() < 0.8}
    return {keyword: [_deeper(source, depth) for _ in range(source.randint(1, 3))]}


def _without_references(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {keyword: _without_references(value) for keyword, value in schema.items() if keyword != "$ref"}
    return [_without_references(value) for value in schema] if isinstance(schema, list) else schema


_BUILDERS = (_type, _number, _string, _values, _array, _object, _object, _logic, _logic)
