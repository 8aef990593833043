"""Keeping a shape out of a schema that must not hold: what `not`, `oneOf` and `else` need."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import msgspec

from aqueduct.providers.grammar.branches import Schema
from aqueduct.providers.grammar.numbers import listed_numbers, number_pattern
from aqueduct.providers.grammar.scalars import KEYWORDS, Unknown, holds
from aqueduct.providers.grammar.shape import Choice, Literal, Member, Number, Record, Sequence, Shape, Text, choose
from aqueduct.providers.grammar.texts import except_strings, understood

_DEPTH = 6
_MOST_STRINGS = 32
_ANNOTATIONS = frozenset({"$comment", "$schema", "default", "description", "examples", "title"})


class Unproven(Exception):
    """It cannot be shown that the shape is outside the schema, nor which part of it is."""


class Excluder:
    """Narrows shapes until none of their values satisfies a schema."""

    def __init__(self, resolve: Callable[[Any], Schema]) -> None:
        self._resolve = resolve

    def narrow(self, shape: Shape, schema: Schema, depth: int = _DEPTH) -> Shape | None:
        """Return a part of the shape that is outside the schema, as much as is found; None: all of it is inside.

        Raises `Unproven`.
        """
        if schema is False:
            return shape
        if schema is True:
            return None
        if not isinstance(schema, dict) or depth == 0:
            raise Unproven
        if isinstance(shape, Choice):
            return self._narrow_choice(shape, schema, depth)
        return self._narrow_single(shape, schema, depth)

    def _narrow_choice(self, shape: Choice, schema: Mapping[str, Any], depth: int) -> Shape | None:
        kept: list[Shape] = []
        is_proven = True
        for option in shape.options:
            try:
                narrowed = self.narrow(option, schema, depth)
            except Unproven:
                is_proven = False
                continue
            if narrowed is not None:
                kept.append(narrowed)
        if not kept and not is_proven:
            raise Unproven
        return choose(kept)

    def _narrow_single(self, shape: Shape, schema: Mapping[str, Any], depth: int) -> Shape | None:
        """Break one keyword of the schema: the first that can be broken without taking all of the shape."""
        if isinstance(shape, Number) and schema.keys() & {"const", "enum", "multipleOf"}:
            texts = listed_numbers(shape)
            shape = Literal(texts) if texts is not None else shape
        if isinstance(shape, Literal) and (kept := _break_literal(shape, schema)) is not None:
            return kept
        holds_always = True
        for keyword, value in schema.items():
            if keyword in _ANNOTATIONS:
                continue
            try:
                narrowed = self._break(shape, (keyword, value), schema, depth)
            except Unproven:
                holds_always = False
                continue
            if narrowed is not None:
                return narrowed
        if holds_always:
            return None
        raise Unproven

    def _break(self, shape: Shape, rule: tuple[str, Any], schema: Mapping[str, Any], depth: int) -> Shape | None:
        """Return a part of the shape that breaks one keyword; None: the keyword always holds."""
        keyword, value = rule
        if keyword in ("anyOf", "oneOf") and isinstance(value, list):
            return self._break_all(shape, value, depth)
        if keyword == "allOf" and isinstance(value, list):
            return self._break_any(shape, value, depth)
        if keyword == "$ref":
            return self._break_any(shape, [self._resolve(value)], depth)
        if isinstance(shape, Record) and keyword != "type":
            return self._break_record(shape, rule, schema, depth)
        return _break_plain(shape, keyword, value)

    def _break_all(self, shape: Shape, schemas: list[Schema], depth: int) -> Shape:
        """Be outside all of them, one after the other."""
        for schema in schemas:
            narrowed = self.narrow(shape, schema, depth - 1)
            if narrowed is None:
                # What an earlier step left out might have been outside as well.
                raise Unproven
            shape = narrowed
        return shape

    def _break_any(self, shape: Shape, schemas: list[Schema], depth: int) -> Shape | None:
        """Be outside one of them."""
        is_proven = True
        for schema in schemas:
            try:
                narrowed = self.narrow(shape, schema, depth - 1)
            except Unproven:
                is_proven = False
                continue
            if narrowed is not None:
                return narrowed
        if is_proven:
            return None
        raise Unproven

    def _break_record(
        self, shape: Record, rule: tuple[str, Any], schema: Mapping[str, Any], depth: int
    ) -> Shape | None:
        keyword, value = rule
        has_free_keys = any(not isinstance(member.key, str) for member in shape.members)
        if keyword in ("const", "enum"):
            return _break_plain(shape, keyword, value)
        if keyword == "required" and isinstance(value, list) and not has_free_keys:
            return _break_required(shape, value)
        if keyword == "properties" and isinstance(value, dict):
            return self._break_properties(shape, value, depth)
        if keyword == "additionalProperties" and value is False and "patternProperties" not in schema:
            known = schema.get("properties", {})
            if any(member.is_required and member.key not in known for member in shape.members):
                return shape
        raise Unproven

    def _break_properties(self, shape: Record, properties: Mapping[str, Schema], depth: int) -> Shape | None:
        for index, member in enumerate(shape.members):
            if not isinstance(member.key, str) or member.key not in properties:
                continue
            try:
                narrowed = self.narrow(member.shape, properties[member.key], depth - 1)
            except Unproven:
                continue
            if narrowed is not None:
                # The member has to be there: what is missing breaks nothing.
                changed = Member(member.key, narrowed, is_required=True)
                return Record((*shape.members[:index], changed, *shape.members[index + 1 :]))
        raise Unproven


def _break_literal(shape: Literal, schema: Mapping[str, Any]) -> Shape | None:
    """Return the texts that break any keyword about single values, or None if there are none."""
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    kept: list[str] = []
    for text in shape.texts:
        value = msgspec.json.decode(text)
        try:
            if (listed is not None and not any(_is_same(value, other) for other in listed)) or not holds(schema, value):
                kept.append(text)
        except Unknown:
            continue
    return Literal(tuple(kept)) if kept else None


def _break_plain(shape: Shape, keyword: str, value: Any) -> Shape | None:
    """Break a keyword that says nothing about parts of the value."""
    if keyword == "type":
        return _break_type(shape, value)
    if keyword in ("const", "enum"):
        return _break_values(shape, [value] if keyword == "const" else value)
    if isinstance(shape, Number):
        return _break_number(shape, keyword, value)
    if isinstance(shape, Text):
        return _break_length(shape, keyword, value)
    if isinstance(shape, Sequence):
        return _break_count(shape, keyword, value)
    if isinstance(shape, Literal) and keyword in KEYWORDS:
        return None
    raise Unproven


def _break_type(shape: Shape, value: Any) -> Shape | None:
    types = {value} if isinstance(value, str) else {name for name in value if isinstance(name, str)}
    if isinstance(shape, Literal):
        return None  # `_break_literal` found none of another type
    if isinstance(shape, Number) and not shape.is_integer and "integer" in types and "number" not in types:
        raise Unproven
    return None if _types_of(shape) & types else shape


def _break_values(shape: Shape, values: Any) -> Shape | None:
    if isinstance(shape, Literal):
        return None  # `_break_literal` found none that is not among them
    if isinstance(shape, Text):
        strings = [value for value in values if isinstance(value, str)]
        if len(strings) > _MOST_STRINGS:
            raise Unproven
        patterns = (except_strings(strings),) if strings else ()
        return _settled(msgspec.structs.replace(shape, patterns=shape.patterns + patterns))
    if isinstance(shape, Number):
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if any(shape.minimum <= Fraction(str(number)) <= shape.maximum for number in numbers):
            raise Unproven
        return shape
    kind = dict if isinstance(shape, Record) else list
    if any(isinstance(value, kind) for value in values):
        raise Unproven
    return shape


def _break_required(shape: Record, names: list[Any]) -> Shape | None:
    """Leave one of the names out."""
    keys = {member.key: member for member in shape.members}
    for name in names:
        member = keys.get(name)
        if member is None:
            return shape
        if not member.is_required:
            return Record(tuple(other for other in shape.members if other is not member))
    return None


def _break_number(shape: Number, keyword: str, value: Any) -> Shape | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Unproven
    bound = Fraction(str(value))
    replace = msgspec.structs.replace
    match keyword:
        case "minimum" | "exclusiveMinimum":
            is_open = keyword == "minimum"
            is_inside = bound > shape.maximum or (bound == shape.maximum and not is_open)
            narrowed = shape if is_inside else replace(shape, maximum=bound, is_open_maximum=is_open)
        case "maximum" | "exclusiveMaximum":
            is_open = keyword == "maximum"
            is_inside = bound < shape.minimum or (bound == shape.minimum and not is_open)
            narrowed = shape if is_inside else replace(shape, minimum=bound, is_open_minimum=is_open)
        case _:
            raise Unproven
    return narrowed if narrowed.minimum <= narrowed.maximum and number_pattern(narrowed) is not None else None


def _break_length(shape: Text, keyword: str, value: Any) -> Shape | None:
    if keyword == "minLength" and isinstance(value, int):
        shorter = min(shape.maximum, value - 1)
        return _settled(Text(shape.minimum, shorter, shape.patterns)) if shape.minimum <= shorter else None
    if keyword == "maxLength" and isinstance(value, int):
        longer = max(shape.minimum, value + 1)
        # How far the string may go is the builder's to say: it may stand for the schema's own limit.
        return _settled(Text(longer, shape.maximum, shape.patterns)) if longer <= shape.maximum else None
    raise Unproven


def _break_count(shape: Sequence, keyword: str, value: Any) -> Shape | None:
    replace = msgspec.structs.replace
    if keyword == "minItems" and isinstance(value, int):
        fewer = min(shape.maximum, value - 1)
        return replace(shape, maximum=fewer) if shape.minimum <= fewer else None
    if keyword == "maxItems" and isinstance(value, int):
        more = max(shape.minimum, value + 1)
        return replace(shape, minimum=more) if more <= shape.maximum else None
    raise Unproven


def _settled(text: Text) -> Text:
    """Return the string if the engine can do it."""
    known = understood(text)
    if known != text:
        raise Unproven
    return text


def _types_of(shape: Shape) -> set[str]:
    match shape:
        case Text():
            return {"string"}
        case Number(is_integer=is_integer):
            return {"number", "integer"} if is_integer else {"number"}
        case Record():
            return {"object"}
        case _:
            return {"array"}


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON Schema compares (1 is 1.0, true is not 1)."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
