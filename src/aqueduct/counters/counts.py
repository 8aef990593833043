"""The three kinds of count, in memory. Times are in milliseconds of one clock that never goes back."""

from collections import deque
from typing import TYPE_CHECKING

from aqueduct.counters.answers import MILLISECONDS, PLACE_WAIT_SECONDS, Standing, lasting_standing
from aqueduct.counters.claims import Budget, Place, Window

if TYPE_CHECKING:
    from aqueduct.counters.line import Waiter

BUDGET_IDLE_MS = 3_600_000
"""After how long without a claim a budget is dropped, to be seeded again when it is claimed once more."""

_DROPPED = -1

Cell = list[int]
"""The second that it counts for, and how much was used in it."""


class WindowCount:
    """How much was used in each second, from the oldest that still counts, and their sum.

    A second counts until it lies outside of the window with its last moment too: no span of the window's length, begun
    at any moment, ever holds more than was let through.
    """

    __slots__ = ("_cells", "_seconds", "asked_in", "used")

    def __init__(self, seconds: int) -> None:
        self.used = 0
        self.asked_in = 0
        self._seconds = seconds
        self._cells: deque[Cell] = deque()

    def advance(self, second: int) -> None:
        """Go on to the second that is asked about, and forget what is outside of its window."""
        self.asked_in = second
        cells = self._cells
        first = second - self._seconds
        while cells and cells[0][0] < first:
            cell = cells.popleft()
            self.used -= cell[1]
            cell[0] = _DROPPED

    def take(self, amount: int, second: int) -> Cell:
        """Add the amount to this second, and return where it went."""
        self.used += amount
        cells = self._cells
        if cells and cells[-1][0] == second:
            cell = cells[-1]
            cell[1] += amount
        else:
            cell = [second, amount]
            cells.append(cell)
        return cell

    def has_room(self, claim: Window, amount: int, ticket: int) -> bool:
        """Whether the amount fits into the window that was advanced to just now."""
        return self.used + amount <= claim.limit

    def correct(self, cell: Cell, difference: int, second: int) -> None:
        """Add a difference to what was taken, if its second still counts."""
        if cell[0] >= second - self._seconds:
            cell[1] += difference
            self.used += difference

    def wait_seconds(self, claim: Window, amount: int, now_ms: int) -> float | None:
        """Return after how long the amount would fit; None for one over the limit itself."""
        if amount > claim.limit:
            return None
        excess = self.used + amount - claim.limit
        for second, amount_then in self._cells:
            excess -= amount_then
            if excess <= 0:
                return self._until_dropped(second, now_ms) / MILLISECONDS
        raise AssertionError("the cells hold what is used")

    def standing(self, claim: Window, now_ms: int) -> Standing:
        """Describe the window as it is now."""
        used, limit = self.used, claim.limit
        reset_ms = self._until_dropped(self._cells[-1][0], now_ms) if used else 0
        return Standing(limit, limit - used if used < limit else 0, reset_ms / MILLISECONDS)

    def is_idle(self, now_ms: int) -> bool:
        """Whether no second counts any more; a count that was just made is not idle."""
        return self._until_dropped(self.asked_in, now_ms) <= 0

    def _until_dropped(self, second: int, now_ms: int) -> int:
        return (second + self._seconds + 1) * MILLISECONDS - now_ms


class PlaceCount:
    """How many places are taken, and who waits in line for one."""

    __slots__ = ("held", "waiters")

    def __init__(self) -> None:
        self.held = 0
        self.waiters: list[Waiter] = []

    def has_room(self, claim: Place, amount: int, ticket: int) -> bool:
        """Whether a place is free for the holder of the ticket: nobody before him waits for it."""
        return self.held < claim.limit and not (self.waiters and self.waiters[0].ticket < ticket)

    def wait_seconds(self, claim: Place, amount: int, now_ms: int) -> float | None:
        """Return when to ask again; None where there are no places at all."""
        return PLACE_WAIT_SECONDS if claim.limit else None

    def standing(self, claim: Place, now_ms: int) -> Standing:
        """Describe the places as they are now."""
        return lasting_standing(claim.limit, self.held)


class BudgetCount:
    """How much is reserved, and used in all: what is spent too, once that is known."""

    __slots__ = ("asked_at", "is_known", "reserved", "used")

    def __init__(self, now_ms: int) -> None:
        self.is_known = False
        self.reserved = 0
        self.used = 0
        self.asked_at = now_ms

    def has_room(self, claim: Budget, amount: int, ticket: int) -> bool:
        """Whether it is known what is spent, and the amount fits or the budget is soft."""
        return self.is_known and (self.used + amount <= claim.limit or not claim.is_hard)

    def take(self, amount: int) -> None:
        """Reserve the amount."""
        self.used += amount
        self.reserved += amount

    def settle(self, reserved: int, amount: int) -> None:
        """Turn what was reserved into what is spent."""
        self.reserved -= reserved
        self.used -= reserved
        self.spend(amount)

    def spend(self, amount: int) -> None:
        """Spend without a reservation; a budget that is to be seeded hears of it from whoever seeds it."""
        if self.is_known:
            self.used += amount

    def seed(self, spent: int) -> None:
        """Learn how much is spent."""
        self.is_known = True
        self.used = spent + self.reserved

    def forget(self) -> None:
        """Know no more how much is spent."""
        self.is_known = False
        self.used = self.reserved

    def wait_seconds(self, claim: Budget, amount: int, now_ms: int) -> float | None:
        """Return None: no budget comes back by waiting."""
        return None

    def standing(self, claim: Budget, now_ms: int) -> Standing:
        """Describe the budget as it is now."""
        return lasting_standing(claim.limit, self.used)

    def is_idle(self, now_ms: int) -> bool:
        """Whether nothing is reserved and nobody asked for a long time."""
        return not self.reserved and now_ms - self.asked_at >= BUDGET_IDLE_MS
