"""Where claims are counted in memory: found by their keys once, then used for every request that claims the same."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from aqueduct.counters.answers import MILLISECONDS
from aqueduct.counters.claims import Claim, Claims, Place, Window
from aqueduct.counters.counts import BudgetCount, Count, PlaceCount, WindowCount
from aqueduct.counters.sweeping import SweptTable

# A claim and its count are always of one kind, which costs too much to prove to the type checker on every call.
_Count: TypeAlias = Any


class Tables:
    """The counts by key. `mark` is another one whenever something may not be granted any more without a close look."""

    __slots__ = ("budgets", "mark", "places", "windows")

    def __init__(self) -> None:
        self.windows: SweptTable[WindowCount] = SweptTable()
        self.places: SweptTable[PlaceCount] = SweptTable()
        self.budgets: SweptTable[BudgetCount] = SweptTable()
        self.mark = object()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self.windows) + len(self.places) + len(self.budgets)

    def find(self, claim: Claim, now_ms: int) -> _Count:
        """Return the count of a claim, asked about now, so that adding the next one does not sweep it away."""
        second = now_ms // MILLISECONDS
        if type(claim) is Window:
            window = self.windows.get(claim.key)
            if window is None:
                window = self.windows.add(claim.key, WindowCount(claim.seconds, second), now_ms)
            if window.asked_in != second:
                window.advance(second)
            return window
        count: PlaceCount | BudgetCount
        if type(claim) is Place:
            place = self.places.get(claim.key)
            count = self.places.add(claim.key, PlaceCount(second), now_ms) if place is None else place
        else:
            budget = self.budgets.get(claim.key)
            count = self.budgets.add(claim.key, BudgetCount(second), now_ms) if budget is None else budget
        count.asked_in = second
        return count

    def sweep(self, now_ms: int) -> None:
        """Look at some counts of each kind whether they hold anything."""
        self.windows.sweep(now_ms)
        self.places.sweep(now_ms)
        self.budgets.sweep(now_ms)


class FoundCounts:
    """The counts of claims, each with its place among the claims and what may be used of it at the most.

    This is the path of every request under limits: a short loop for each kind (the interpreter is twice as fast where
    all that comes by is of one class, and adds faster by itself than by calls), and what can have changed only with the
    second is looked at once a second.
    """

    __slots__ = (
        "_budgets",
        "_keys",
        "_places",
        "_taken_in",
        "_windows",
        "asked_in",
        "counts",
        "mark",
        "spans_ms",
    )

    def __init__(self, tables: Tables, claims: Claims, now_ms: int) -> None:
        self.counts: list[_Count] = [tables.find(claim, now_ms) for claim in claims]
        self.spans_ms = [(each.seconds + 1) * MILLISECONDS if type(each) is Window else None for each in claims]
        """For how long after the beginning of its second an amount counts; None where time changes nothing."""
        self.mark = tables.mark
        self.asked_in = now_ms // MILLISECONDS
        self._taken_in = -1
        self._keys = [claim.key for claim in claims]
        self._windows: list[tuple[int, WindowCount, int]] = []
        self._places: list[tuple[int, PlaceCount, int]] = []
        self._budgets: list[tuple[int, BudgetCount, float]] = []
        for at, (claim, count) in enumerate(zip(claims, self.counts, strict=True)):
            if type(claim) is Window:
                self._windows.append((at, count, claim.limit))
            elif type(claim) is Place:
                self._places.append((at, count, claim.limit))
            else:
                self._budgets.append((at, count, claim.limit if claim.is_hard else math.inf))

    def take_if_room(self, amounts: Sequence[int]) -> Sequence[int] | None:
        """Take the amounts and return how much of each claim is used now; None, and nothing is said of why, if not.

        Either something does not fit, or somebody waits for a place.
        """
        used = [*amounts]
        # Taken while it is looked at, and given back where something does not fit: one loop, not two.
        for at, window, most in self._windows:
            window.used = used[at] = total = window.used + used[at]
            if total > most:
                self._give_back(amounts, window)
                return None
        for at, place, most in self._places:
            place.used = used[at] = total = place.used + used[at]
            if total > most or place.waiters:
                self._give_back(amounts, place)
                return None
        for at, budget, most_money in self._budgets:
            budget.used = used[at] = total = budget.used + used[at]
            if total > most_money:
                self._give_back(amounts, budget)
                return None
        if self._taken_in != self.asked_in:
            self._note_taking()
        return used

    def take(self, amounts: Sequence[int]) -> Sequence[int]:
        """Take the amounts, for which there is room, and return how much of each claim is used now."""
        for count, amount in zip(self.counts, amounts, strict=True):
            count.used += amount
        self._note_taking()
        return [count.used for count in self.counts]

    def settle(self, reserved: Sequence[int], amounts: Sequence[int], second: int) -> Sequence[PlaceCount]:
        """Replace what was taken in a second by the truth, and return the places that somebody waits for."""
        for at, window, _ in self._windows:
            if amounts[at] != reserved[at]:
                window.correct(second, amounts[at] - reserved[at])
        for at, budget, _ in self._budgets:
            if budget.is_known:
                budget.spent += amounts[at]
                budget.used += amounts[at] - reserved[at]
            else:
                # It hears of what is spent from whoever seeds it.
                budget.used -= reserved[at]
        freed: Sequence[PlaceCount] = ()
        for at, place, _ in self._places:
            place.used -= reserved[at]
            if place.waiters:
                freed = (*freed, place)
        return freed

    def _give_back(self, amounts: Sequence[int], last: Count) -> None:
        """Give back what was taken of all claims up to one."""
        for each in (self._windows, self._places, self._budgets):
            for at, count, _ in each:
                count.used -= amounts[at]
                if count is last:
                    return

    def _note_taking(self) -> None:
        self._taken_in = self.asked_in
        for _, window, _ in self._windows:
            window.taken_in = self.asked_in

    def go_on(self, tables: Tables, second: int) -> bool:
        """Ask about a second, if everything is still counted here: in these tables, and nothing was dropped since."""
        keys = self._keys
        if tables.mark is not self.mark:
            return False
        for at, window, _ in self._windows:
            if window.asked_in != second:
                if tables.windows.get(keys[at]) is not window:
                    return False
                window.advance(second)
        for at, place, _ in self._places:
            if tables.places.get(keys[at]) is not place:
                return False
            place.asked_in = second
        for at, budget, _ in self._budgets:
            if tables.budgets.get(keys[at]) is not budget:
                return False
            budget.asked_in = second
        self.asked_in = second
        return True
