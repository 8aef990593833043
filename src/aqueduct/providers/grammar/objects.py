"""Builds the bounded shape of an object: the members that are known, and where there are none, a few free ones."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from aqueduct.providers.grammar import scalars
from aqueduct.providers.grammar.branches import Branch, Schema, count
from aqueduct.providers.grammar.shape import Member, Record, Shape, Text
from aqueduct.providers.grammar.texts import understood

if TYPE_CHECKING:
    from aqueduct.providers.grammar.builder import Builder

_KEY = "^[A-Za-z][A-Za-z0-9_ -]{0,23}$"
_LONGEST_KEY = 24
_INITIALS = ("A-Da-d", "E-He-h", "I-Mi-m", "N-Rn-r", "S-Zs-z")
_MOST_TYPED = 2
_MOST_PATTERNS = 4
_MOST_FREE = 6
_MOST_MEMBERS = 256


def build_object(builder: "Builder", branch: Branch, depth: int) -> Shape | None:
    """Return the shape of the objects that a branch allows."""
    names = dict.fromkeys(name for node in branch.nodes for name in _mapping(node, "properties"))
    required = {name for node in branch.nodes for name in node.get("required", ()) if isinstance(name, str)}
    names |= dict.fromkeys(name for node in branch.nodes for name in node.get("required", ()) if name in required)
    members: list[Member] = []
    for name in names:
        shape = _build_member(builder, branch, name, depth)
        if shape is not None:
            members.append(Member(name, shape, name in required))
        elif name in required:
            return None
    minimum = int(max((count(node, "minProperties", 0) for node in branch.nodes), default=0))
    maximum = min((count(node, "maxProperties", math.inf) for node in branch.nodes), default=math.inf)
    return _fit(builder, branch, members, (minimum, maximum), depth)


def _build_member(builder: "Builder", branch: Branch, name: str, depth: int) -> Shape | None:
    """Return the shape of one member by everything that speaks of it; None: it may not be there."""
    schemas: list[Schema] = []
    for node in branch.nodes:
        own = _mapping(node, "properties")
        patterns = [
            sub for pattern, sub in _mapping(node, "patternProperties").items() if _matches(builder, pattern, name)
        ]
        if name in own:
            patterns.append(own[name])
        schemas += patterns or _others(node)
        if "propertyNames" in node and not _may_be_named(builder, node["propertyNames"], name):
            return None
    return builder.build(schemas, branch.visits, depth + 1)


def _fit(
    builder: "Builder", branch: Branch, members: list[Member], limits: tuple[int, float], depth: int
) -> Shape | None:
    """Bring the number of members within limits: optional ones become required or go, free ones are added."""
    minimum, maximum = limits
    if minimum > min(maximum, _MOST_MEMBERS):
        return None
    missing = minimum - sum(member.is_required for member in members)
    for index, member in enumerate(members):
        if missing > 0 and not member.is_required:
            members[index] = msgspec.structs.replace(member, is_required=True)
            missing -= 1
    for member in reversed(members.copy()):
        if len(members) > maximum and not member.is_required:
            members.remove(member)
    if len(members) > maximum:
        return None
    is_declared = any(_mapping(node, "properties") for node in branch.nodes)
    if missing > 0 or (not members and not is_declared and maximum > 0):
        free = _free_members(builder, branch, (max(missing, 0), maximum - len(members)), depth)
        if free is None and missing > 0:
            return None
        if free and (members or is_declared):
            builder.loosen()  # a free name may be one of those that are declared
        members += free or []
    return Record(tuple(members)) if len(members) <= _MOST_MEMBERS else None


def _free_members(builder: "Builder", branch: Branch, limits: tuple[int, float], depth: int) -> list[Member] | None:
    """Return members whose names the model chooses; None: there may be none.

    A grammar cannot see that a name has been used before, so two that may be the same make it inexact.
    """
    if any(_mapping(node, "patternProperties") for node in branch.nodes):
        return _patterned_members(builder, branch, limits, depth)
    schemas = [schema for node in branch.nodes for schema in _others(node)]
    key = _named_key(builder, branch, Text(0, _LONGEST_KEY, (_KEY,)))
    shape = builder.build(schemas, branch.visits, depth + 1 if schemas else depth + 2)
    if key is None or shape is None:
        return None
    minimum, maximum = limits
    if 1 < minimum <= len(_INITIALS) and key.patterns == (_KEY,):
        # As many as there have to be, told apart by their first letters.
        keys = [Text(0, _LONGEST_KEY, (f"^[{initials}][A-Za-z0-9_ -]{{0,23}}$",)) for initials in _INITIALS[:minimum]]
        return [Member(key, shape, is_required=True) for key in keys]
    amount = int(min(maximum, max(minimum, min(builder.bounds.items, _MOST_TYPED if schemas else _MOST_FREE))))
    if amount > 1:
        builder.loosen()
    return [Member(key, shape, index < minimum) for index in range(amount)]


def _patterned_members(
    builder: "Builder", branch: Branch, limits: tuple[int, float], depth: int
) -> list[Member] | None:
    """Return a member for each pattern of names, as long as no name matches two of them."""
    nodes = [node for node in branch.nodes if _mapping(node, "patternProperties")]
    patterns = [*_mapping(nodes[0], "patternProperties").items()][:_MOST_PATTERNS]
    others = [schema for node in branch.nodes if node not in nodes for schema in _others(node)]
    if len(nodes) > 1 or len(patterns) < len(nodes[0]["patternProperties"]):
        builder.loosen()
    minimum, maximum = limits
    members: list[Member] = []
    for pattern, schema in patterns:
        key = _named_key(builder, branch, Text(0, _LONGEST_KEY, (pattern,)))
        shape = builder.build([schema, *others], branch.visits, depth + 1)
        if key is None or shape is None:
            continue
        if any(understood(Text(0, _LONGEST_KEY, (pattern, other))) for other, _ in patterns if other != pattern):
            builder.loosen()
        members.append(Member(key, shape, len(members) < minimum))
    if members and len(members) < minimum:
        builder.loosen()
        members += [members[0]] * (minimum - len(members))
    return members[: int(min(maximum, len(members)))] or None


def _named_key(builder: "Builder", branch: Branch, key: Text) -> Text | None:
    """Return the key held to `propertyNames` as well."""
    for node in branch.nodes:
        if "propertyNames" not in node:
            continue
        names = builder.build([{"allOf": [{"type": "string"}, node["propertyNames"]]}], branch.visits)
        if names is None:
            return None
        if not isinstance(names, Text):
            builder.loosen()
            continue
        own = () if key.patterns == (_KEY,) else key.patterns
        key = Text(
            max(key.minimum, names.minimum), max(names.minimum, min(key.maximum, names.maximum)), own + names.patterns
        )
    known = understood(key)
    if known is not None and (len(known.patterns) < len(key.patterns) or known.maximum > key.maximum):
        builder.loosen()
    return known


def _others(node: Mapping[str, Any]) -> list[Schema]:
    """Return what holds for members that the node does not name."""
    return [node["additionalProperties"]] if "additionalProperties" in node else []


def _mapping(node: Mapping[str, Any], keyword: str) -> dict[str, Schema]:
    value = node.get(keyword)
    return value if isinstance(value, dict) else {}


def _matches(builder: "Builder", pattern: str, name: str) -> bool:
    try:
        return scalars.holds({"pattern": pattern}, name)
    except scalars.Unknown:
        builder.loosen()
        return False


def _may_be_named(builder: "Builder", schema: Schema, name: str) -> bool:
    if not isinstance(schema, dict):
        return schema is not False
    if schema.keys() - scalars.KEYWORDS:
        builder.loosen()
    try:
        return scalars.holds(schema, name)
    except scalars.Unknown:
        builder.loosen()
        return True
