"""The three kinds of count, in memory. Times are in milliseconds of one clock that never goes back."""

from typing import TYPE_CHECKING

from aqueduct.counters.answers import MILLISECONDS, PLACE_WAIT_SECONDS, Standing, lasting_standing
from aqueduct.counters.claims import Budget, Place, Window

if TYPE_CHECKING:
    from aqueduct.counters.line import Waiter

BUDGET_IDLE_MS = 3_600_000
"""After how long without a claim a budget is dropped, to be seeded again when it is claimed once more."""


class Count:
    """What all kinds have in common: how much is `used`, and the second that it was asked about last."""

    __slots__ = ("asked_in", "used")

    def __init__(self, second: int) -> None:
        self.used = 0
        self.asked_in = second


class WindowCount(Count):
    """How much was used in each second that still counts, and in all.

    A second counts until it lies outside of the window with its last moment too: no span of the window's length,
    begun at any moment, ever holds more than was let through. What was used in the second that was asked about last is
    the sum less what the earlier ones hold, so that `used` is all that a request has to change. `taken_in` is the last
    second in which something was taken.
    """

    __slots__ = ("_earlier", "_seconds", "_used_earlier", "taken_in")

    def __init__(self, seconds: int, second: int) -> None:
        super().__init__(second)
        self.taken_in = -1
        self._seconds = seconds
        self._earlier: dict[int, int] = {}
        self._used_earlier = 0

    def advance(self, second: int) -> None:
        """Go on to the second that is asked about, and forget what is outside of its window."""
        earlier = self._earlier
        if self.taken_in == self.asked_in:
            earlier[self.asked_in] = self.used - self._used_earlier
        self.asked_in = second
        first = second - self._seconds
        while earlier and (oldest := next(iter(earlier))) < first:
            self.used -= earlier.pop(oldest)
        self._used_earlier = self.used

    def has_room(self, claim: Window, amount: int, ticket: int) -> bool:
        """Whether the amount fits into the window that was advanced to just now."""
        return self.used + amount <= claim.limit

    def correct(self, second: int, difference: int) -> None:
        """Add a difference to what was taken in a second, if that still counts."""
        if second != self.asked_in:
            if second not in self._earlier:
                return
            # Perhaps it counts no more and only nobody has asked since: then it is forgotten with its correction.
            self._earlier[second] += difference
            self._used_earlier += difference
        self.used += difference

    def wait_seconds(self, claim: Window, amount: int, now_ms: int) -> float | None:
        """Return after how long the amount would fit; None for one over the limit itself."""
        if amount > claim.limit:
            return None
        excess = self.used + amount - claim.limit
        for second, amount_then in (*self._earlier.items(), (self.taken_in, self.used - self._used_earlier)):
            excess -= amount_then
            if excess <= 0:
                return self._until_dropped(second, now_ms) / MILLISECONDS
        raise AssertionError("the seconds hold what is used")

    def standing(self, claim: Window, now_ms: int) -> Standing:
        """Describe the window as it is now."""
        used, limit = self.used, claim.limit
        reset_ms = self._until_dropped(self.taken_in, now_ms) if used else 0
        return Standing(limit, limit - used if used < limit else 0, reset_ms / MILLISECONDS)

    def is_idle(self, now_ms: int) -> bool:
        """Whether no second counts any more; a count that was just made is not idle."""
        return self._until_dropped(self.asked_in, now_ms) <= 0

    def _until_dropped(self, second: int, now_ms: int) -> int:
        return (second + self._seconds + 1) * MILLISECONDS - now_ms


class PlaceCount(Count):
    """How many places are taken, and who waits in line for one."""

    __slots__ = ("waiters",)

    def __init__(self, second: int) -> None:
        super().__init__(second)
        self.waiters: list[Waiter] = []

    def has_room(self, claim: Place, amount: int, ticket: int) -> bool:
        """Whether a place is free for the holder of the ticket: nobody before him waits for it."""
        return self.used < claim.limit and not (self.waiters and self.waiters[0].ticket < ticket)

    def wait_seconds(self, claim: Place, amount: int, now_ms: int) -> float | None:
        """Return when to ask again; None where there are no places at all."""
        return PLACE_WAIT_SECONDS if claim.limit else None

    def standing(self, claim: Place, now_ms: int) -> Standing:
        """Describe the places as they are now."""
        return lasting_standing(claim.limit, self.used)

    def is_idle(self, now_ms: int) -> bool:
        """Whether none is taken, nobody waits, and nobody asked in this second."""
        return not self.used and not self.waiters and now_ms // MILLISECONDS != self.asked_in


class BudgetCount(Count):
    """How much is used in all: what is reserved, and what is `spent`, once that is known (until then it is nothing)."""

    __slots__ = ("is_known", "spent")

    def __init__(self, second: int) -> None:
        super().__init__(second)
        self.is_known = False
        self.spent = 0

    def has_room(self, claim: Budget, amount: int, ticket: int) -> bool:
        """Whether it is known what is spent, and the amount fits or the budget is soft."""
        return self.is_known and (self.used + amount <= claim.limit or not claim.is_hard)

    def spend(self, amount: int) -> None:
        """Spend without a reservation; a budget that is to be seeded hears of it from whoever seeds it."""
        if self.is_known:
            self.used += amount
            self.spent += amount

    def seed(self, spent: int) -> None:
        """Learn how much is spent."""
        self.is_known = True
        self.used += spent
        self.spent = spent

    def forget(self) -> None:
        """Know no more how much is spent."""
        self.is_known = False
        self.used -= self.spent
        self.spent = 0

    def wait_seconds(self, claim: Budget, amount: int, now_ms: int) -> float | None:
        """Return None: no budget comes back by waiting."""
        return None

    def standing(self, claim: Budget, now_ms: int) -> Standing:
        """Describe the budget as it is now."""
        return lasting_standing(claim.limit, self.used)

    def is_idle(self, now_ms: int) -> bool:
        """Whether nothing is reserved and nobody asked for a long time."""
        return self.used == self.spent and now_ms - self.asked_in * MILLISECONDS >= BUDGET_IDLE_MS
