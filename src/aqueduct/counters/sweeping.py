"""A table that drops counts which hold nothing any more, a few at a time."""

from collections import OrderedDict
from typing import Protocol, TypeVar

SWEPT_AT_INSERTION = 2
SWEPT_A_SECOND = 1000


class Sweepable(Protocol):
    """A count that may come to hold nothing."""

    def is_idle(self, now_ms: int) -> bool:
        """Whether dropping it changes no answer."""


CountT = TypeVar("CountT", bound=Sweepable)


class SweptTable(OrderedDict[str, CountT]):
    """Counts by key, swept as by the hand of a clock: the first is dropped, or sent to the end.

    Two steps at every insertion keep the table below twice what it must hold; an ordered dictionary, because a plain
    one looks for its first entry among all that were removed before.
    """

    def add(self, key: str, count: CountT, now_ms: int) -> CountT:
        """Insert a count and sweep two others."""
        self.sweep(now_ms, SWEPT_AT_INSERTION)
        self[key] = count
        return count

    def sweep(self, now_ms: int, steps: int = SWEPT_A_SECOND) -> None:
        """Look at that many counts."""
        for _ in range(min(steps, len(self))):
            key = next(iter(self))
            if self[key].is_idle(now_ms):
                del self[key]
            else:
                self.move_to_end(key)
