"""Builds the bounded shape of an array."""

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec

from aqueduct.providers.grammar.branches import Branch, Schema, count
from aqueduct.providers.grammar.numbers import number_pattern
from aqueduct.providers.grammar.shape import Literal, Number, Sequence, Shape

if TYPE_CHECKING:
    from aqueduct.providers.grammar.builder import Builder

_MOST_ITEMS = 256
_MOST_PERMUTATIONS = 64


def build_array(builder: "Builder", branch: Branch, depth: int) -> Shape | None:
    """Return the shape of the arrays that a branch allows."""
    parts = [_positions(node) for node in branch.nodes]
    others = [schema for _, rest in parts for schema in rest]
    contained = _Contained(branch)
    minimum = int(max((count(node, "minItems", 0) for node in branch.nodes), default=0))
    minimum = max(minimum, contained.needed)
    maximum = min((count(node, "maxItems", math.inf) for node in branch.nodes), default=math.inf)
    if minimum > min(maximum, _MOST_ITEMS) or contained.is_contradictory:
        return None
    allowed = int(min(maximum, max(minimum, builder.bounds.items)))
    length = max([contained.needed, *(len(prefix) for prefix, _ in parts)])
    prefix: list[Shape] = []
    for position in range(min(length, allowed)):
        schemas = [schema for items, rest in parts for schema in (items[position : position + 1] or rest)]
        shape = contained.build(builder, schemas, branch, (position, depth))
        if shape is None:
            break
        prefix.append(shape)
    rest = None
    if length <= len(prefix) < allowed:
        rest = contained.build(builder, others, branch, (length, depth))
    sequence = Sequence(tuple(prefix), rest, minimum, allowed if rest is not None else len(prefix))
    if sequence.maximum < minimum:
        return None
    is_unique = any(node.get("uniqueItems") is True for node in branch.nodes)
    return _unique(builder, sequence) if is_unique else sequence


class _Contained:
    """What `contains` asks for: the first items are those, and with `maxContains` none after them is."""

    def __init__(self, branch: Branch) -> None:
        nodes = [node for node in branch.nodes if "contains" in node]
        self._wanted = [node["contains"] for node in nodes if count(node, "minContains", 1) > 0]
        self._limited = [node["contains"] for node in nodes if "maxContains" in node]
        most = min((count(node, "maxContains", math.inf) for node in nodes), default=math.inf)
        self.needed = int(max((count(node, "minContains", 1) for node in nodes), default=0))
        self.is_contradictory = self.needed > most

    def build(self, builder: "Builder", schemas: list[Schema], branch: Branch, at: tuple[int, int]) -> Shape | None:
        """Return the shape of the item at a position; positions from the last that is needed on are all alike."""
        position, depth = at
        wanted = self._wanted if position < self.needed else []
        unwanted = [] if position < self.needed else [{"not": schema} for schema in self._limited]
        return builder.build([*schemas, *wanted, *unwanted], branch.visits, depth + 1)


def _positions(node: Mapping[str, Any]) -> tuple[list[Schema], list[Schema]]:
    """Return the schemas by position, and what holds for every item after those (drafts before 2020-12 too)."""
    items = node.get("items")
    if isinstance(node.get("prefixItems"), list):
        prefix, others = node["prefixItems"], items
    elif isinstance(items, list):
        prefix, others = items, node.get("additionalItems")
    else:
        prefix, others = [], items
    return prefix, [] if others is None or isinstance(others, list) else [others]


def _unique(builder: "Builder", sequence: Sequence) -> Shape | None:
    """Keep the items apart: permutations of a few literals, slices of a range of numbers."""
    if sequence.maximum <= 1:
        return sequence
    if not sequence.prefix and isinstance(sequence.rest, Literal):
        return _permutations(builder, sequence, sequence.rest)
    if not sequence.prefix and isinstance(sequence.rest, Number):
        slices = _slices(sequence.rest, sequence.maximum)
        if slices is not None:
            return Sequence(tuple(slices), None, sequence.minimum, sequence.maximum)
    # Two that are the same are found when the answer is checked; fewer items make it less likely.
    builder.loosen()
    return msgspec.structs.replace(sequence, maximum=max(sequence.minimum, min(sequence.maximum, 2)))


def _permutations(builder: "Builder", sequence: Sequence, items: Literal) -> Shape | None:
    """List the arrays without repetition, as many as a grammar should hold, short and long ones in turn."""
    texts = items.texts
    longest = min(sequence.maximum, len(texts))
    if sequence.minimum > longest:
        return None
    iterators: list[Iterator[tuple[str, ...]]] = [
        itertools.permutations(texts, length) for length in range(sequence.minimum, longest + 1)
    ]
    chosen: list[str] = []
    while iterators and len(chosen) < _MOST_PERMUTATIONS:
        for iterator in iterators.copy():
            permutation = next(iterator, None)
            if permutation is None:
                iterators.remove(iterator)
            else:
                chosen.append(f"[{', '.join(permutation)}]")
    return Literal(tuple(chosen))


def _slices(number: Number, amount: int) -> list[Number] | None:
    """Cut a range of numbers into as many that have no number in common."""
    width = (number.maximum - number.minimum) / amount
    edges = [number.minimum + width * index for index in range(amount + 1)]
    if number.is_integer:
        edges = [Fraction(math.floor(edge)) for edge in edges]
    slices = [
        msgspec.structs.replace(
            number,
            minimum=low,
            maximum=high,
            is_open_minimum=number.is_open_minimum if index == 0 else False,
            is_open_maximum=number.is_open_maximum if index == amount - 1 else True,
        )
        for index, (low, high) in enumerate(itertools.pairwise(edges))
    ]
    return slices if all(number_pattern(part) is not None for part in slices) else None
