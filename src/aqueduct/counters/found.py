"""Where claims are counted in memory: found by their keys once, and then used for every request that claims the same."""

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
    """The counts of claims, by kind and with their places among the claims and their limits.

    This is the path of every request under limits: each kind has its own short loop, and what can have changed only with
    the second is looked at once a second.
    """

    __slots__ = ("_asked_in", "_budgets", "_keys", "_places", "_tables", "_windows", "counts")

    def __init__(self, tables: Tables, claims: Claims, counts: Sequence[Any], second: int) -> None:
        self.counts = counts
        self._tables = tables
        self._asked_in = second
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

    def have_room(self, tables: Tables, amounts: Sequence[int], second: int) -> bool:
        """Whether everything fits, and is still counted here; where not, nothing is said of why."""
        if tables is not self._tables or (second != self._asked_in and not self._advance(second)):
            return False
        for at, window, limit in self._windows:
            if window.used + amounts[at] > limit:
                return False
        for at, place, limit in self._places:
            if place.held >= limit or place.waiters:
                return False
            if not place.held and tables.places.setdefault(self._keys[at], place) is not place:
                return False
        for at, budget, most in self._budgets:
            if not budget.is_known or budget.used + amounts[at] > most:
                return False
        return True

    def take(self, amounts: Sequence[int]) -> list[int]:
        """Take the amounts, and return how much of each claim is used now."""
        used = list(amounts)
        second = self._asked_in
        for at, window, _ in self._windows:
            amount = amounts[at]
            window.used_now += amount
            window.taken_in = second
            used[at] = window.used = window.used + amount
        for at, place, _ in self._places:
            used[at] = place.held = place.held + 1
        for at, budget, _ in self._budgets:
            amount = amounts[at]
            budget.reserved += amount
            used[at] = budget.used = budget.used + amount
        return used

    def settle(self, reserved: Sequence[int], amounts: Sequence[int], second: int) -> Sequence[PlaceCount]:
        """Replace what was taken in a second by the truth, and return the places of which one may be had now."""
        for at, window, _ in self._windows:
            if amounts[at] != reserved[at]:
                window.correct(second, amounts[at] - reserved[at])
        for at, budget, _ in self._budgets:
            budget.settle(reserved[at], amounts[at])
        if not self._places:
            return ()
        for _, place, _ in self._places:
            place.held -= 1
        return [place for _, place, _ in self._places if place.waiters or not place.held]

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
