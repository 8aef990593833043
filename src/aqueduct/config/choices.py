"""Which keys and values a place in a file may have, by the struct it is converted to: for the errors that say so."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator

import msgspec
from msgspec import inspect

_LEAST_LIKENESS = 0.6
_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")


def valid_values(shape: type[msgspec.Struct], path: str) -> list[str]:
    """Return the values that an enumeration at a path such as `$.models[0].strategy` has; empty for anything else."""
    return [value for kind in _at(shape, path) for value in _values(kind)]


def valid_keys(shape: type[msgspec.Struct], path: str) -> list[str]:
    """Return the keys that a mapping at a path such as `$.models[0]` may have; empty for anything else."""
    structs = [kind for kind in _at(shape, path) if isinstance(kind, inspect.StructType)]
    return [field.encode_name for kind in structs for field in kind.fields]


def likely(name: str, known: Collection[str]) -> str | None:
    """Return which of the known names was likely meant, None where it looks like none of them."""
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_LEAST_LIKENESS)
    return by_lower[near[0]] if near else None


def _at(shape: type[msgspec.Struct], path: str) -> list[inspect.Type]:
    """Return the types that what is at a path may have."""
    found: Iterable[inspect.Type] = [inspect.type_info(shape)]
    for name, index in _STEP.findall(path):
        found = [inner for outer in found for each in _unwrapped(outer) for inner in _within(each, name, index)]
    return [each for outer in found for each in _unwrapped(outer)]


def _unwrapped(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield what a type may be: the members of a union, and what carries further conditions without them."""
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _unwrapped(each)
    elif isinstance(kind, inspect.Metadata):
        yield from _unwrapped(kind.type)
    else:
        yield kind


def _within(kind: inspect.Type, name: str, index: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (field.type for field in kind.fields if field.encode_name == name)
    elif index and isinstance(kind, inspect.ListType):
        yield kind.item_type
    elif index and isinstance(kind, inspect.DictType):
        yield kind.value_type


def _values(kind: inspect.Type) -> Iterator[str]:
    if isinstance(kind, inspect.EnumType):
        yield from (str(member.value) for member in kind.cls)
    elif isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)
