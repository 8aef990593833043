"""Counters of one process: plain objects, and no `await` between looking and taking."""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Answer, Refusal, Refused, Reservation, Unseeded, amounts_of
from aqueduct.counters.claims import Budget, Claim, Claims, Place, Window
from aqueduct.counters.contract import Counters
from aqueduct.counters.counts import BudgetCount, Cell, PlaceCount, WindowCount
from aqueduct.counters.line import Waiter
from aqueduct.counters.sweeping import SweptTable

# A claim and its count are always of one kind, which costs too much to prove to the type checker on every call.
_Count: TypeAlias = Any

_NEWCOMER = sys.maxsize
"""The ticket of a request that did not wait: everybody who did comes before."""


def monotonic_ms() -> int:
    """Return the milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


class _Held(Reservation):
    """A reservation with the counts it was made in, where in its window each amount went to, and when."""

    counts: Sequence[_Count] = ()
    holds: Sequence[Cell | None] = ()
    now_ms: int = 0

    @override
    def reset_ms(self, at: int) -> int | None:
        claim = self.claims[at]
        if type(claim) is not Window:
            return None
        return (self.now_ms // MILLISECONDS + claim.seconds + 1) * MILLISECONDS - self.now_ms if self.used[at] else 0


class MemoryCounters(Counters):
    """Counts in this process and its event loop alone."""

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self._clock = clock
        self._windows: SweptTable[WindowCount] = SweptTable()
        self._budgets: SweptTable[BudgetCount] = SweptTable()
        self._places: dict[str, PlaceCount] = {}
        self._tickets = itertools.count()
        self._sweep_at = clock()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._windows) + len(self._places) + len(self._budgets)

    @override
    async def __aenter__(self) -> Self:
        return self

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        pass

    @override
    async def reserve(
        self,
        claims: Sequence[Claim],
        amounts: Sequence[int] | None = None,
        *,
        name: str | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        amounts = amounts_of(claims) if amounts is None else amounts
        answer = self.reserve_now(claims, amounts)
        if wait_seconds > 0 and type(answer) is Refusal and answer.is_for_a_place:
            return await self._wait(claims, amounts, answer, wait_seconds)
        return answer

    def reserve_now(
        self, claims: Sequence[Claim], amounts: Sequence[int] | None = None, ticket: int = _NEWCOMER
    ) -> Answer:
        """Reserve without waiting."""
        if type(claims) is not Claims:
            claims = Claims(claims)
        if amounts is None:
            amounts = amounts_of(claims)
        now_ms = self._clock()
        second = now_ms // MILLISECONDS
        if now_ms >= self._sweep_at:
            self._sweep(now_ms)
        counts = [self._count_of(claim, now_ms, second) for claim in claims]
        has_room = True
        for claim, amount, count in zip(claims, amounts, counts, strict=True):
            if not count.has_room(claim, amount, ticket):
                has_room = False
                break
        if not has_room:
            return self._refuse(claims, amounts, counts, now_ms, ticket)
        return _take(claims, amounts, counts, now_ms)

    def _count_of(self, claim: Claim, now_ms: int, second: int) -> _Count:
        """Return the count of a claim, asked about now: adding the next one must not sweep it away."""
        if type(claim) is Window:
            window = self._windows.get(claim.key) or self._windows.add(claim.key, WindowCount(claim.seconds), now_ms)
            if window.asked_in != second:
                window.advance(second)
            return window
        if type(claim) is Place:
            return self._places.get(claim.key) or self._places.setdefault(claim.key, PlaceCount())
        budget = self._budgets.get(claim.key) or self._budgets.add(claim.key, BudgetCount(now_ms), now_ms)
        budget.asked_at = now_ms
        return budget

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        if type(reservation) is not _Held:
            self._spend(reservation.claims, amounts)
            return
        claims = reservation.claims
        second = self._clock() // MILLISECONDS
        freed: list[PlaceCount] = []
        rows = zip(claims, reservation.amounts, amounts, reservation.counts, reservation.holds, strict=True)
        for claim, reserved, amount, count, hold in rows:
            if type(claim) is Window:
                if amount != reserved:
                    count.correct(hold, amount - reserved, second)
            elif type(claim) is Place:
                count.held -= 1
                freed.append(count)
            else:
                count.settle(reserved, amount)
        if freed:
            for place in freed:
                if place.waiters:
                    self._hand_on(place)
            self._drop_free(claims)

    @override
    def release(self, reservation: Reservation) -> None:
        self.settle(reservation, [0] * len(reservation.claims))

    @override
    async def seed(self, key: str, spent: int) -> bool:
        now_ms = self._clock()
        budget = self._budgets.get(key) or self._budgets.add(key, BudgetCount(now_ms), now_ms)
        if budget.is_known:
            return False
        budget.seed(spent)
        return True

    @override
    async def forget(self, key: str) -> None:
        if budget := self._budgets.get(key):
            budget.forget()

    def _refuse(
        self, claims: Sequence[Claim], amounts: Sequence[int], counts: Sequence[_Count], now_ms: int, ticket: int
    ) -> Refusal | Unseeded:
        """Say what does not fit, or what is not known."""
        refused = []
        unseeded = []
        for claim, amount, count in zip(claims, amounts, counts, strict=True):
            if type(claim) is Budget and not count.is_known:
                unseeded.append(claim.key)
            elif not count.has_room(claim, amount, ticket):
                refused.append(Refused(claim, count.wait_seconds(claim, amount, now_ms)))
        self._drop_free(claims)
        if unseeded:
            return Unseeded(unseeded)
        return Refusal([count.standing(claim, now_ms) for claim, count in zip(claims, counts, strict=True)], refused)

    async def _wait(
        self, claims: Sequence[Claim], amounts: Sequence[int], refusal: Refusal, wait_seconds: float
    ) -> Answer:
        """Stand in line until the turn comes or the time is over."""
        waiter = Waiter(claims, amounts, next(self._tickets), self._missing_places(refusal)[0])
        try:
            await asyncio.wait({waiter.answer}, timeout=wait_seconds)
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise
        if waiter.answer.done():
            return waiter.answer.result()
        self._withdraw(waiter)
        return refusal

    def _withdraw(self, waiter: Waiter) -> None:
        """Take somebody who waits no more out of the line, or give back what was handed to him just now."""
        if not waiter.answer.done():
            place = waiter.place
            waiter.leave()
            # He may have stood in the way of others, if his limit was another one.
            self._hand_on(place)
        elif isinstance(answer := waiter.answer.result(), Reservation):
            self.release(answer)

    def _hand_on(self, place: PlaceCount) -> None:
        """Give what is free to those in line, in this very step, so that no newcomer comes between."""
        while place.waiters:
            waiter = place.waiters[0]
            answer = self.reserve_now(waiter.claims, waiter.amounts, waiter.ticket)
            if type(answer) is Refusal and answer.is_for_a_place:
                missing = self._missing_places(answer)
                if place in missing:
                    return
                waiter.leave()
                waiter.join(missing[0])
            else:
                waiter.leave()
                waiter.answer.set_result(answer)

    def _missing_places(self, refusal: Refusal) -> list[PlaceCount]:
        return [self._places[refused.claim.key] for refused in refusal.refused]

    def _drop_free(self, claims: Sequence[Claim]) -> None:
        """Drop the places of which none is taken and for which nobody waits."""
        for claim in claims:
            if type(claim) is Place:
                place = self._places.get(claim.key)
                if place is not None and not place.held and not place.waiters:
                    del self._places[claim.key]

    def _spend(self, claims: Sequence[Claim], amounts: Sequence[int]) -> None:
        for claim, amount in zip(claims, amounts, strict=True):
            if type(claim) is Budget and (budget := self._budgets.get(claim.key)):
                budget.spend(amount)

    def _sweep(self, now_ms: int) -> None:
        self._sweep_at = now_ms + MILLISECONDS
        self._windows.sweep(now_ms)
        self._budgets.sweep(now_ms)


def _take(claims: Sequence[Claim], amounts: Sequence[int], counts: Sequence[_Count], now_ms: int) -> Reservation:
    """Take what has room."""
    second = now_ms // MILLISECONDS
    holds: list[Cell | None] = []
    used: list[int] = []
    for claim, amount, count in zip(claims, amounts, counts, strict=True):
        if type(claim) is Window:
            holds.append(count.take(amount, second))
            used.append(count.used)
        elif type(claim) is Place:
            count.held = taken = count.held + 1
            holds.append(None)
            used.append(taken)
        else:
            count.take(amount)
            holds.append(None)
            used.append(count.used)
    return _Held(claims, amounts, used, False, "", counts, holds, now_ms)
