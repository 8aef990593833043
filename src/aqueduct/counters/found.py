"""Where claims are counted in memory: found by their keys once, then used for every request that claims the same."""

import math
from collections.abc import Sequence
from typing import Any

from aqueduct.counters.claims import Claims, Place, Window
from aqueduct.counters.counts import BudgetCount, PlaceCount, WindowCount
from aqueduct.counters.sweeping import SweptTable


class Tables:
    """The counts by key; a place is here only while it is taken or waited for."""

    __slots__ = ("budgets", "places", "windows")

    def __init__(self) -> None:
        self.windows: SweptTable[WindowCount] = SweptTable()
        self.budgets: SweptTable[BudgetCount] = SweptTable()
        self.places: dict[str, PlaceCount] = {}


class FoundCounts:
    """The counts of claims, each with its place among the claims and what may be used of it at the most.

    This is the path of every request under limits: a short loop for each kind (the interpreter is twice as fast where
    all that comes by is of one class), and what can have changed only with the second is looked at once a second.
    """

    __slots__ = ("_asked_in", "_budgets", "_keys", "_places", "_tables", "_taken_in", "_windows", "counts")

    def __init__(self, tables: Tables, claims: Claims, counts: Sequence[Any], second: int) -> None:
        self.counts = counts
        self._tables = tables
        self._asked_in = second
        self._taken_in = -1
        self._keys = [claim.key for claim in claims]
        self._windows: list[tuple[int, WindowCount, int]] = []
        self._places: list[tuple[int, PlaceCount, int]] = []
        self._budgets: list[tuple[int, BudgetCount, float]] = []
        for at, (claim, count) in enumerate(zip(claims, counts, strict=True)):
            if type(claim) is Window:
                self._windows.append((at, count, claim.limit))
            elif type(claim) is Place:
                self._places.append((at, count, claim.limit))
            else:
                self._budgets.append((at, count, claim.limit if claim.is_hard else math.inf))

    def take_if_room(self, tables: Tables, amounts: Sequence[int], second: int) -> list[int] | None:
        """Take the amounts and return how much of each claim is used now; None, and nothing is said of why, if not.

        Either something does not fit, or somebody waits for a place, or something is counted elsewhere by now.
        """
        if tables is not self._tables or (second != self._asked_in and not self._advance(second)):
            return None
        used = list(amounts)
        for at, window, most in self._windows:
            total = window.used + used[at]
            if total > most:
                return None
            used[at] = total
        for at, place, most in self._places:
            taken = place.used
            if taken >= most or place.waiters:
                return None
            if not taken and tables.places.setdefault(self._keys[at], place) is not place:
                return None
            used[at] = taken + 1
        for at, budget, most_money in self._budgets:
            total = budget.used + used[at]
            if total > most_money or not budget.is_known:
                return None
            used[at] = total
        self._put(used, amounts)
        return used

    def take(self, amounts: Sequence[int]) -> list[int]:
        """Take the amounts, for which there is room, and return how much of each claim is used now."""
        used = [count.used + amount for count, amount in zip(self.counts, amounts, strict=True)]
        self._put(used, amounts)
        return used

    def _put(self, used: Sequence[int], amounts: Sequence[int]) -> None:
        for at, window, _ in self._windows:
            window.used = used[at]
        for at, place, _ in self._places:
            place.used = used[at]
        for at, budget, _ in self._budgets:
            budget.used = used[at]
            budget.reserved += amounts[at]
        if self._taken_in != self._asked_in:
            self._taken_in = self._asked_in
            for _, window, _ in self._windows:
                window.taken_in = self._asked_in

    def settle(self, reserved: Sequence[int], amounts: Sequence[int], second: int) -> Sequence[PlaceCount]:
        """Replace what was taken in a second by the truth, and return the places of which one may be had now."""
        for at, window, _ in self._windows:
            if amounts[at] != reserved[at]:
                window.correct(second, amounts[at] - reserved[at])
        for at, budget, _ in self._budgets:
            taken = reserved[at]
            budget.reserved -= taken
            # One that is to be seeded hears of what is spent from whoever seeds it.
            budget.used += amounts[at] - taken if budget.is_known else -taken
        freed: Sequence[PlaceCount] = ()
        for _, place, _ in self._places:
            place.used -= 1
            if place.waiters or not place.used:
                freed = (*freed, place)
        return freed

    def _advance(self, second: int) -> bool:
        """Go on to a second, as long as nothing was dropped since the last."""
        tables = self._tables
        for at, window, _ in self._windows:
            if window.asked_in != second:
                if tables.windows.get(self._keys[at]) is not window:
                    return False
                window.advance(second)
        for at, budget, _ in self._budgets:
            if budget.asked_in != second:
                if tables.budgets.get(self._keys[at]) is not budget:
                    return False
                budget.asked_in = second
        self._asked_in = second
        return True
