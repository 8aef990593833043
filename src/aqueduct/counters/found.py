"""Where claims are counted in memory: found by their keys once, then used for every request that claims the same."""

import math
from collections.abc import Sequence
from operator import add, gt, sub
from typing import Any, TypeAlias

from aqueduct.counters.answers import MILLISECONDS
from aqueduct.counters.claims import Claim, Claims, Place, Window
from aqueduct.counters.counts import BudgetCount, PlaceCount, Used, WindowCount
from aqueduct.counters.sweeping import SweptTable
from aqueduct.domain.picking import picker

# A claim and its count are always of one kind, which costs too much to prove to the type checker on every call.
_Count: TypeAlias = Any


class Tables:
    """The counts by key, and how much is used of each.

    `second` is the last in which somebody asked. `mark` is another one whenever something may not be granted any more
    without a close look.
    """

    __slots__ = ("budgets", "mark", "places", "second", "used", "windows")

    def __init__(self) -> None:
        self.windows: SweptTable[WindowCount] = SweptTable()
        self.places: SweptTable[PlaceCount] = SweptTable()
        self.budgets: SweptTable[BudgetCount] = SweptTable()
        self.used: Used = {}
        self.second = 0
        self.mark = object()

    def find(self, claim: Claim, now_ms: int) -> _Count:
        """Return the count of a claim, asked about now, so that adding the next one does not sweep it away."""
        second = now_ms // MILLISECONDS
        if type(claim) is Window:
            window = self.windows.get(claim.key)
            if window is None:
                window = self.windows.add(claim.key, WindowCount(self.used, claim.seconds, second), now_ms)
            if window.asked_in != second:
                window.advance(second)
            return window
        count: PlaceCount | BudgetCount
        if type(claim) is Place:
            place = self.places.get(claim.key)
            count = self.places.add(claim.key, PlaceCount(self.used, second), now_ms) if place is None else place
        else:
            budget = self.budgets.get(claim.key)
            count = self.budgets.add(claim.key, BudgetCount(self.used, second), now_ms) if budget is None else budget
        count.asked_in = second
        return count

    def sweep(self, now_ms: int) -> None:
        """Look at some counts of each kind whether they hold anything."""
        self.windows.sweep(now_ms)
        self.places.sweep(now_ms)
        self.budgets.sweep(now_ms)


class FoundCounts:
    """The counts of claims, and what may be used of each at the most.

    This is the path of every request under limits. Sums and comparisons of all claims together are one step of the
    interpreter each; what can have changed only with the second is looked at once a second.
    """

    __slots__ = (
        "_asked_in",
        "_budgets",
        "_keys",
        "_mark",
        "_mosts",
        "_pick",
        "_places",
        "_tables",
        "_taken_in",
        "_windows",
        "counts",
        "spans_ms",
    )

    def __init__(self, tables: Tables, claims: Claims, now_ms: int) -> None:
        self.counts: list[_Count] = [tables.find(claim, now_ms) for claim in claims]
        self.spans_ms = [(each.seconds + 1) * MILLISECONDS if type(each) is Window else None for each in claims]
        """For how long after the beginning of its second an amount counts; None where time changes nothing."""
        self._tables = tables
        self._mark = tables.mark
        self._asked_in = now_ms // MILLISECONDS
        self._taken_in = -1
        self._keys = [claim.key for claim in claims]
        self._pick = picker(self.counts)
        # What a soft budget may come to has no end.
        self._mosts = [math.inf if getattr(each, "is_hard", None) is False else each.limit for each in claims]
        placed = list(enumerate(self.counts))
        self._windows: list[tuple[int, WindowCount]] = [each for each in placed if type(each[1]) is WindowCount]
        self._places: list[tuple[int, PlaceCount]] = [each for each in placed if type(each[1]) is PlaceCount]
        self._budgets: list[tuple[int, BudgetCount]] = [each for each in placed if type(each[1]) is BudgetCount]

    def are_current(self, tables: Tables, second: int) -> bool:
        """Whether the claims are counted here, in these tables and this second; they are asked about by that."""
        return tables.mark is self._mark and (second == self._asked_in or self._advance(second))

    def take_if_room(self, amounts: Sequence[int]) -> Sequence[int] | None:
        """Take the amounts and return how much of each claim is used now; None, and nothing is said of why, if not.

        Either something does not fit, or somebody waits for a place.
        """
        all_used = self._tables.used
        used = tuple(map(add, self._pick(all_used), amounts))
        if any(map(gt, used, self._mosts)):
            return None
        for _, place in self._places:
            if place.waiters:
                return None
        all_used.update(zip(self.counts, used, strict=True))
        if self._taken_in != self._asked_in:
            self._note_taking()
        return used

    def take(self, amounts: Sequence[int]) -> Sequence[int]:
        """Take the amounts, for which there is room, and return how much of each claim is used now."""
        used = tuple(map(add, self._pick(self._tables.used), amounts))
        self._tables.used.update(zip(self.counts, used, strict=True))
        self._note_taking()
        return used

    def settle(self, reserved: Sequence[int], amounts: Sequence[int], second: int) -> Sequence[PlaceCount]:
        """Replace what was taken in a second by the truth, and return the places that somebody waits for."""
        changes = list(map(sub, amounts, reserved))
        if second != self._tables.second:
            for at, window in self._windows:
                if changes[at]:
                    changes[at] = window.correct(second, changes[at])
        for at, budget in self._budgets:
            if budget.is_known:
                budget.spent += amounts[at]
            else:
                # It hears of what is spent from whoever seeds it.
                changes[at] = -reserved[at]
        freed: Sequence[PlaceCount] = ()
        for at, place in self._places:
            changes[at] = -1
            if place.waiters:
                freed = (*freed, place)
        used = self._tables.used
        try:
            used.update(zip(self.counts, map(add, self._pick(used), changes), strict=True))
        except KeyError:
            # Some were dropped, for nobody asked for so long that they held nothing any more.
            used.update({count: used[count] + change for count, change in zip(self.counts, changes) if count in used})
        return freed

    def _note_taking(self) -> None:
        self._taken_in = self._asked_in
        for _, window in self._windows:
            window.taken_in = self._asked_in

    def _advance(self, second: int) -> bool:
        """Go on to a second, as long as nothing was dropped since the last."""
        tables, keys = self._tables, self._keys
        for at, window in self._windows:
            if window.asked_in != second:
                if tables.windows.get(keys[at]) is not window:
                    return False
                window.advance(second)
        for at, place in self._places:
            if tables.places.get(keys[at]) is not place:
                return False
            place.asked_in = second
        for at, budget in self._budgets:
            if tables.budgets.get(keys[at]) is not budget:
                return False
            budget.asked_in = second
        self._asked_in = second
        return True
