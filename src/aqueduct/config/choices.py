"""Which values a place in a file may have, found in the struct that it is converted to: for the error that says so."""

import re
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import inspect

_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")


def valid_values(shape: type[msgspec.Struct], path: str) -> list[str]:
    """Return the values that an enumeration at a path such as `$.models[0].strategy` has; empty for anything else."""
    found: Iterable[inspect.Type] = [inspect.type_info(shape)]
    for name, index in _STEP.findall(path):
        found = [inner for outer in found for each in _unwrapped(outer) for inner in _within(each, name, index)]
    return [value for outer in found for each in _unwrapped(outer) for value in _values(each)]


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
