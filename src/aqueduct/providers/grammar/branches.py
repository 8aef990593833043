"""The logic of a schema taken apart: one branch for every way through its alternatives.

What holds in a branch are plain keywords only, and schemas that must not hold (of `not`, `oneOf`, `else`). Leaving a
branch out is always safe: what remains still satisfies the schema.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any
from urllib.parse import unquote

import msgspec

Schema = Any
"""A JSON schema: an object or a boolean."""

_MOST_BRANCHES = 64
_LOGIC = frozenset(
    {"$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
    | {"dependentRequired", "dependentSchemas", "dependencies"}
)


class TooComplex(Exception):
    """The schema takes more work than a request is worth."""


class Branch(msgspec.Struct, frozen=True):
    """One way to satisfy a schema: all `nodes` hold, none of `excluded` does.

    `visits` counts how often each reference was followed on the way here, which is what bounds recursion.
    """

    nodes: tuple[Mapping[str, Any], ...]
    excluded: tuple[Schema, ...]
    visits: Mapping[str, int]


class Expander:
    """Takes the schemas of one document apart."""

    def __init__(self, root: Schema, *, most_visits: int, most_work: int) -> None:
        self._root = root
        self._most_visits = most_visits
        self._work = most_work
        self.is_exact = True

    def expand(self, schema: Schema, visits: Mapping[str, int]) -> list[Branch]:
        """Return the ways to satisfy a schema; none at all: there is no such value, or none within the bounds."""
        self.spend()
        if not isinstance(schema, dict):
            return [] if schema is False else [Branch((), (), visits)]
        plain = {keyword: value for keyword, value in schema.items() if keyword not in _LOGIC}
        branches = [Branch((plain,) if plain else (), (), visits)]
        for alternatives in self._alternatives(schema, visits):
            branches = self._combine(branches, alternatives)
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            return [_evaluated(branch, schema) for branch in branches]
        return branches

    def spend(self, steps: int = 1) -> None:
        """Count steps of work, and raise `TooComplex` when there have been too many."""
        self._work -= steps
        if self._work < 0:
            raise TooComplex

    def resolve(self, reference: Any) -> Schema:
        """Return the schema that a reference within the document names; None: it is not understood."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        if reference[1:2] not in ("", "/"):
            return self._anchored(reference[1:], self._root)
        node = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isascii() and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, dict) and key in node:
                node = node[key]
            else:
                return None
        return node

    def _anchored(self, name: str, root: Schema) -> Schema:
        nodes = [root]
        while nodes:
            self.spend()
            node = nodes.pop()
            if isinstance(node, dict):
                if node.get("$anchor") == name:
                    return node
                nodes += node.values()
            elif isinstance(node, list):
                nodes += node
        return None

    def _alternatives(self, schema: Mapping[str, Any], visits: Mapping[str, int]) -> Iterator[list[Branch]]:
        """Yield, for each logical keyword, the branches of which one has to hold."""
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if keyword in schema:
                yield self._follow(schema[keyword], visits)
        for sub in _schemas(schema.get("allOf")):
            yield self.expand(sub, visits)
        if "anyOf" in schema:
            yield [branch for sub in _schemas(schema["anyOf"]) for branch in self.expand(sub, visits)]
        if "oneOf" in schema:
            yield list(self._one_of(_schemas(schema["oneOf"]), visits))
        if "not" in schema:
            yield [Branch((), (schema["not"],), visits)]
        if "if" in schema:
            yield self._conditional(schema, visits)
        yield from self._dependencies(schema, visits)

    def _follow(self, reference: Any, visits: Mapping[str, int]) -> list[Branch]:
        target = self.resolve(reference)
        if target is None:
            self.is_exact = False
            return [Branch((), (), visits)]
        count = visits.get(reference, 0)
        if count >= self._most_visits:
            return []
        return self.expand(target, {**visits, reference: count + 1})

    def _one_of(self, options: list[Schema], visits: Mapping[str, int]) -> Iterator[Branch]:
        for index, option in enumerate(options):
            others = (*options[:index], *options[index + 1 :])
            for branch in self.expand(option, visits):
                yield Branch(branch.nodes, branch.excluded + others, branch.visits)

    def _conditional(self, schema: Mapping[str, Any], visits: Mapping[str, int]) -> list[Branch]:
        condition = schema["if"]
        kept = self._combine(self.expand(condition, visits), self.expand(schema.get("then", True), visits))
        otherwise = self.expand(schema.get("else", True), visits)
        return kept + [Branch(branch.nodes, (*branch.excluded, condition), branch.visits) for branch in otherwise]

    def _dependencies(self, schema: Mapping[str, Any], visits: Mapping[str, int]) -> Iterator[list[Branch]]:
        for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
            entries = schema.get(keyword)
            for name, needed in entries.items() if isinstance(entries, dict) else ():
                consequence = {"required": needed} if isinstance(needed, list) else needed
                present = self._combine([Branch(({"required": [name]},), (), visits)], self.expand(consequence, visits))
                yield [*present, Branch(({"properties": {name: False}},), (), visits)]

    def _combine(self, left: list[Branch], right: list[Branch]) -> list[Branch]:
        """Return the pairs that may hold together, as many as are worth looking at."""
        if len(left) == 1 and not left[0].nodes and not left[0].excluded:
            return right
        return list(islice(self._pairs(left, right), _MOST_BRANCHES))

    def _pairs(self, left: list[Branch], right: list[Branch]) -> Iterator[Branch]:
        for one, other in product(left, right):
            self.spend()
            if _may_meet(one, other):
                yield _merge(one, other)


def types_of(nodes: Iterable[Mapping[str, Any]]) -> set[str] | None:
    """Return the JSON types that all nodes allow, or None where none of them says."""
    allowed: set[str] | None = None
    for node in nodes:
        if "type" in node:
            named = node["type"]
            types = {named} if isinstance(named, str) else {name for name in named if isinstance(name, str)}
            allowed = types if allowed is None else _common(allowed, types)
    return allowed


def count(node: Mapping[str, Any], keyword: str, default: float) -> float:
    """Return a keyword's number, or the default where it is missing or none."""
    value = node.get(keyword)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _common(one: set[str], other: set[str]) -> set[str]:
    common = one & other
    if "integer" in one | other and ("number" in one or "integer" in one) and ("number" in other or "integer" in other):
        common.add("integer")
    return common


def _merge(one: Branch, other: Branch) -> Branch:
    visits = dict(one.visits)
    for reference, count in other.visits.items():
        visits[reference] = max(visits.get(reference, 0), count)
    return Branch(one.nodes + other.nodes, one.excluded + other.excluded, visits)


def _may_meet(one: Branch, other: Branch) -> bool:
    """Whether the types of two branches have anything in common: the one contradiction worth seeing early."""
    return types_of((*one.nodes, *other.nodes)) != set()


def _evaluated(branch: Branch, schema: Mapping[str, Any]) -> Branch:
    """Say what is left unevaluated in plain keywords, now that all that evaluates in the schema's scope is known."""
    nodes = list(branch.nodes)
    if "unevaluatedProperties" in schema and not any("additionalProperties" in node for node in nodes):
        known: dict[str, Any] = {"additionalProperties": schema["unevaluatedProperties"]}
        for keyword in ("properties", "patternProperties"):
            found = [node[keyword] for node in branch.nodes if isinstance(node.get(keyword), dict)]
            known[keyword] = {name: True for names in found for name in names}
        nodes.append(known)
    if "unevaluatedItems" in schema and not any(_sees_all_items(node) for node in nodes):
        prefixes = [_schemas(node.get("prefixItems", node.get("items"))) for node in nodes]
        longest = max(map(len, prefixes), default=0)
        nodes.append({"prefixItems": [True] * longest, "items": schema["unevaluatedItems"]})
    return Branch(tuple(nodes), branch.excluded, branch.visits)


def _sees_all_items(node: Mapping[str, Any]) -> bool:
    return "additionalItems" in node or ("items" in node and not isinstance(node["items"], list))


def _schemas(value: Any) -> list[Schema]:
    return value if isinstance(value, list) else []
