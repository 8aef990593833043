"""Several members of one thing, taken at once."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any


def picker(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes the members with these keys out of a sequence or a mapping, in order.

    It costs about as much as taking one of them. Raises `KeyError` or `IndexError` where one is missing.
    """
    if len(keys) > 1:
        return itemgetter(*keys)
    # Of one key, `itemgetter` makes no tuple.
    return lambda members: tuple([members[key] for key in keys])
