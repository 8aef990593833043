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
from aqueduct.counters.counts import BudgetCount, PlaceCount, WindowCount
from aqueduct.counters.found import FoundCounts, Tables
from aqueduct.counters.line import Waiter

# A claim and its count are always of one kind, which costs too much to prove to the type checker on every call.
_Count: TypeAlias = Any

_NEWCOMER = sys.maxsize
"""The ticket of a request that did not wait: everybody who did comes before."""


def monotonic_ms() -> int:
    """Return the milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


class _Held(Reservation):
    """A reservation with the counts it was made in, and when."""

    found: FoundCounts | None = None
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
        self._tables = Tables()
        self._tickets = itertools.count()
        self._sweep_at = clock()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._tables.windows) + len(self._tables.places) + len(self._tables.budgets)

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
        if now_ms >= self._sweep_at:
            self._sweep(now_ms)
        found = claims.found
        if type(found) is FoundCounts and ticket == _NEWCOMER:
            used = found.take_if_room(self._tables, amounts, now_ms // MILLISECONDS)
            if used is not None:
                return _Held(claims, amounts, used, False, "", found, now_ms)
        # Something does not fit, or is counted elsewhere by now: look closely.
        found = self._find(claims, now_ms)
        for claim, amount, count in zip(claims, amounts, found.counts, strict=True):
            if not count.has_room(claim, amount, ticket):
                return self._refuse(claims, amounts, found.counts, now_ms, ticket)
        return _Held(claims, amounts, found.take(amounts), False, "", found, now_ms)

    def _find(self, claims: Claims, now_ms: int) -> FoundCounts:
        """Look the counts of claims up by their keys, asked about now: adding the next must not sweep one away."""
        second = now_ms // MILLISECONDS
        counts: list[_Count] = []
        for claim in claims:
            if type(claim) is Window:
                window = self._tables.windows.get(claim.key)
                if window is None:
                    window = self._tables.windows.add(claim.key, WindowCount(claim.seconds), now_ms)
                if window.asked_in != second:
                    window.advance(second)
                counts.append(window)
            elif type(claim) is Place:
                place = self._tables.places.get(claim.key)
                counts.append(self._tables.places.setdefault(claim.key, PlaceCount()) if place is None else place)
            else:
                budget = self._tables.budgets.get(claim.key)
                if budget is None:
                    budget = self._tables.budgets.add(claim.key, BudgetCount(second), now_ms)
                budget.asked_in = second
                counts.append(budget)
        claims.found = found = FoundCounts(self._tables, claims, counts, second)
        return found

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        if type(reservation) is not _Held or reservation.found is None:
            self._spend(reservation.claims, amounts)
            return
        freed = reservation.found.settle(reservation.amounts, amounts, reservation.now_ms // MILLISECONDS)
        if freed:
            for place in freed:
                if place.waiters:
                    self._hand_on(place)
            self._drop_free(reservation.claims)

    @override
    def release(self, reservation: Reservation) -> None:
        self.settle(reservation, [0] * len(reservation.claims))

    @override
    async def seed(self, key: str, spent: int) -> bool:
        now_ms = self._clock()
        budget = self._tables.budgets.get(key)
        if budget is None:
            budget = self._tables.budgets.add(key, BudgetCount(now_ms // MILLISECONDS), now_ms)
        if budget.is_known:
            return False
        budget.seed(spent)
        return True

    @override
    async def forget(self, key: str) -> None:
        if budget := self._tables.budgets.get(key):
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
        return [self._tables.places[refused.claim.key] for refused in refusal.refused]

    def _drop_free(self, claims: Sequence[Claim]) -> None:
        """Drop the places of which none is taken and for which nobody waits."""
        for claim in claims:
            if type(claim) is Place:
                place = self._tables.places.get(claim.key)
                if place is not None and not place.used and not place.waiters:
                    del self._tables.places[claim.key]

    def _spend(self, claims: Sequence[Claim], amounts: Sequence[int]) -> None:
        for claim, amount in zip(claims, amounts, strict=True):
            if type(claim) is Budget and (budget := self._tables.budgets.get(claim.key)):
                budget.spend(amount)

    def _sweep(self, now_ms: int) -> None:
        self._sweep_at = now_ms + MILLISECONDS
        self._tables.windows.sweep(now_ms)
        self._tables.budgets.sweep(now_ms)
