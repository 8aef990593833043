"""Builds the bounded shape of a schema."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Items
from fractions import Fraction
from typing import Any

import msgspec

from aqueduct.providers.grammar import scalars
from aqueduct.providers.grammar.arrays import build_array
from aqueduct.providers.grammar.branches import Branch, Expander, Schema, count, types_of
from aqueduct.providers.grammar.exclusion import Excluder, Unproven
from aqueduct.providers.grammar.numbers import number_pattern
from aqueduct.providers.grammar.objects import build_object
from aqueduct.providers.grammar.shape import (
    BOOLEAN,
    NULL,
    Literal,
    Number,
    Shape,
    Text,
    choose,
)
from aqueduct.providers.grammar.texts import FORMATS, understood

_LARGEST = 999_999_999
_MOST_DEPTH = 64
_STEPS_A_PATTERN = 10
"""What asking the engine about a pattern costs, beside a step of our own."""

_HINTS = {
    "object": {"properties", "required", "additionalProperties", "patternProperties", "propertyNames"}
    | {"minProperties", "maxProperties", "unevaluatedProperties"},
    "array": {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"}
    | {"unevaluatedItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "string": {"minLength", "maxLength", "pattern", "format"},
}
"""What a schema without a type is about, by its keywords."""


class Bounds(msgspec.Struct, frozen=True):
    """How far a shape goes where the schema does not end it: in characters, in items, in turns of a recursion."""

    characters: int
    items: int
    turns: int
    work: int = 1200


class Builder:
    """Builds the shapes of one schema within one set of bounds."""

    def __init__(self, root: Schema, bounds: Bounds) -> None:
        self.bounds = bounds
        self._expander = Expander(root, most_visits=bounds.turns, most_work=bounds.work)
        self._excluder = Excluder(self._expander.resolve)
        self._is_exact = True

    @property
    def is_exact(self) -> bool:
        """Whether every value of the shapes built so far satisfies its schema."""
        return self._is_exact and self._expander.is_exact

    def loosen(self) -> None:
        """Note that a shape has values that its schema does not allow."""
        self._is_exact = False

    def build(self, schemas: Items[Schema], visits: Mapping[str, int], depth: int = 0) -> Shape | None:
        """Return the shape of what satisfies all the schemas; None: nothing does, or nothing within the bounds."""
        schema: Schema = schemas[0] if len(schemas) == 1 else {"allOf": list(schemas)} if schemas else True
        branches = self._expander.expand(schema, visits)
        shapes = [shape for branch in branches if (shape := self._build_branch(branch, depth)) is not None]
        return choose(shapes)

    def _build_branch(self, branch: Branch, depth: int) -> Shape | None:
        values = _listed_values(branch.nodes)
        if values is not None:
            shape = self._literal(branch, values)
        else:
            options = [self._build_type(name, branch, depth) for name in self._types(branch, depth)]
            shape = choose([option for option in options if option is not None])
        for schema in branch.excluded:
            if shape is None:
                return None
            try:
                shape = self._excluder.narrow(shape, schema)
            except Unproven:
                self.loosen()
        return shape

    def _types(self, branch: Branch, depth: int) -> list[str]:
        """Return the types to build, those that the keywords hint at where the schema names none."""
        named = types_of(branch.nodes)
        if named is None:
            keywords = {keyword for node in branch.nodes for keyword in node}
            named = {name for name, hints in _HINTS.items() if hints & keywords}
        if not named:
            named = {"string", "number", "boolean", "null"} | ({"object"} if depth == 0 else set())
        if "number" in named:
            named = named - {"integer"}
        return sorted(named)

    def _build_type(self, name: str, branch: Branch, depth: int) -> Shape | None:
        if depth > _MOST_DEPTH:
            return None
        shape: Shape | None = None
        match name:
            case "null":
                shape = NULL
            case "boolean":
                shape = BOOLEAN
            case "integer" | "number":
                shape = _number(branch.nodes, is_integer=name == "integer")
            case "string":
                shape = self._text(branch.nodes)
            case "array":
                shape = build_array(self, branch, depth)
            case "object":
                shape = build_object(self, branch, depth)
        return shape

    def _literal(self, branch: Branch, values: list[Any]) -> Shape | None:
        """Return those of the listed values that the other keywords allow."""
        kept: list[str] = []
        for value in values:
            if isinstance(value, dict | list) and any(node.keys() & _DEEP for node in branch.nodes):
                self.loosen()
            try:
                if all(scalars.holds(node, value) for node in branch.nodes):
                    kept.append(json.dumps(value, ensure_ascii=False))
            except scalars.Unknown:
                self.loosen()
                kept.append(json.dumps(value, ensure_ascii=False))
        return Literal(tuple(kept)) if kept else None

    def _text(self, nodes: Iterable[Mapping[str, Any]]) -> Shape | None:
        minimum, maximum, patterns = 0.0, math.inf, list[str]()
        for node in nodes:
            minimum = max(minimum, count(node, "minLength", 0))
            maximum = min(maximum, count(node, "maxLength", math.inf))
            if isinstance(pattern := node.get("pattern"), str):
                patterns.append(pattern)
            if isinstance(name := node.get("format"), str) and name in FORMATS:
                patterns.append(FORMATS[name])
        if minimum > maximum:
            return None
        room = max(int(minimum), self.bounds.characters)
        wanted = Text(int(minimum), int(min(maximum, room)), tuple(dict.fromkeys(patterns)))
        if wanted.patterns:
            self._expander.spend(_STEPS_A_PATTERN)
        text = understood(wanted) if wanted.patterns else wanted
        if text is not None and (len(text.patterns) < len(wanted.patterns) or text.maximum > maximum):
            self.loosen()
        return text


_DEEP = frozenset().union(*(_HINTS[name] for name in ("object", "array")))


def _listed_values(nodes: Iterable[Mapping[str, Any]]) -> list[Any] | None:
    """Return the values that all `const` and `enum` of the nodes have in common, or None without such keywords."""
    lists = [[node["const"]] for node in nodes if "const" in node]
    lists += [node["enum"] for node in nodes if isinstance(node.get("enum"), list)]
    if not lists:
        return None
    keys = [{_canonical(value) for value in values} for values in lists]
    return [value for value in lists[0] if all(_canonical(value) in others for others in keys)]


def _canonical(value: Any) -> str:
    """Write a value so that what JSON Schema calls equal is the same text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _number(nodes: Iterable[Mapping[str, Any]], *, is_integer: bool) -> Shape | None:
    low: Fraction | None = None
    high: Fraction | None = None
    is_open_low = is_open_high = False
    step: Fraction | None = None
    for node in nodes:
        for keyword, bound in _bounds(node):
            is_open = keyword.startswith("exclusive")
            if keyword.endswith("inimum"):
                if low is None or bound > low or (bound == low and is_open):
                    low, is_open_low = bound, is_open
            elif high is None or bound < high or (bound == high and is_open):
                high, is_open_high = bound, is_open
        factor = node.get("multipleOf")
        if isinstance(factor, int | float) and factor > 0:
            step = Fraction(str(factor)) if step is None else _common_multiple(step, Fraction(str(factor)))
    if low is None:
        low = Fraction(-_LARGEST) if high is None else min(high, Fraction(0)) - _LARGEST
    if high is None:
        high = max(low, Fraction(0)) + _LARGEST
    number = Number(low, high, is_open_low, is_open_high, is_integer, step)
    return number if low <= high and number_pattern(number) is not None else None


def _bounds(node: Mapping[str, Any]) -> Iterator[tuple[str, Fraction]]:
    """Yield the numeric bounds; in draft 4 `exclusiveMinimum: true` makes `minimum` exclusive."""
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        value = node.get(keyword)
        if value is True:
            value = node.get(keyword.removeprefix("exclusive").lower())
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield keyword, Fraction(str(value))


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    return Fraction(math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator))
