"""Counters of one process: plain objects, and no `await` between looking and taking."""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Answer, Refusal, Refused, Reservation, Unseeded
from aqueduct.counters.claims import Budget, Claim, Place, Window
from aqueduct.counters.contract import Counters
from aqueduct.counters.counts import BudgetCount, PlaceCount, WindowCount
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
    """A reservation with the counts it was made in, and where in them it went to (one each a claim)."""

    counts: Sequence[_Count] = ()
    holds: Sequence[Any] = ()


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
    async def reserve(self, claims: Sequence[Claim], *, wait_seconds: float = 0.0) -> Answer:
        answer = self.reserve_now(claims)
        if wait_seconds > 0 and type(answer) is Refusal and answer.is_for_a_place:
            return await self._wait(claims, answer, wait_seconds)
        return answer

    def reserve_now(self, claims: Sequence[Claim], ticket: int = _NEWCOMER) -> Answer:
        """Reserve without waiting."""
        now_ms = self._clock()
        if now_ms >= self._sweep_at:
            self._sweep(now_ms)
        counts: list[_Count] = []
        is_refused = is_unseeded = False
        for claim in claims:
            count: _Count
            if type(claim) is Window:
                count = self._windows.get(claim.key) or self._windows.add(claim.key, WindowCount(claim.seconds), now_ms)
                is_refused |= not count.has_room(claim, now_ms)
            elif type(claim) is Place:
                count = self._places.get(claim.key) or self._places.setdefault(claim.key, PlaceCount())
                is_refused |= not count.has_room(claim, now_ms, ticket)
            else:
                count = self._budgets.get(claim.key) or self._budgets.add(claim.key, BudgetCount(now_ms), now_ms)
                is_unseeded |= count.spent is None
                is_refused |= not count.has_room(claim, now_ms)
            counts.append(count)
        if len(set(counts)) != len(counts):
            raise ValueError("two claims of a request have the same key")
        if is_refused or is_unseeded:
            return self._refuse(claims, counts, now_ms, ticket)
        holds = []
        standings = []
        for claim, count in zip(claims, counts, strict=True):
            holds.append(count.take(claim, now_ms))
            standings.append(count.standing(claim, now_ms))
        return _Held(claims, standings, False, counts, holds)

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        now_ms = self._clock()
        if not isinstance(reservation, _Held):
            self._spend(reservation.claims, amounts)
            return
        freed: list[PlaceCount] = []
        for claim, count, hold, amount in zip(
            reservation.claims, reservation.counts, reservation.holds, amounts, strict=True
        ):
            count.settle(claim, hold, amount, now_ms)
            if type(claim) is Place:
                freed.append(count)
        if freed:
            for place in freed:
                self._hand_on(place)
            self._drop_free(reservation.claims)

    @override
    def release(self, reservation: Reservation) -> None:
        self.settle(reservation, [0] * len(reservation.claims))

    @override
    async def seed(self, key: str, spent: int) -> bool:
        now_ms = self._clock()
        budget = self._budgets.get(key) or self._budgets.add(key, BudgetCount(now_ms), now_ms)
        if budget.spent is not None:
            return False
        budget.spent = spent
        return True

    @override
    async def forget(self, key: str) -> None:
        if budget := self._budgets.get(key):
            budget.spent = None

    def _refuse(self, claims: Sequence[Claim], counts: list[_Count], now_ms: int, ticket: int) -> Refusal | Unseeded:
        """Say what does not fit, or what is not known."""
        refused = []
        unseeded = []
        for claim, count in zip(claims, counts, strict=True):
            if type(claim) is Budget and count.spent is None:
                unseeded.append(claim.key)
            if not count.has_room(claim, now_ms, ticket):
                refused.append(Refused(claim, count.wait_seconds(claim, now_ms)))
        self._drop_free(claims)
        if unseeded:
            return Unseeded(unseeded)
        return Refusal([count.standing(claim, now_ms) for claim, count in zip(claims, counts, strict=True)], refused)

    async def _wait(self, claims: Sequence[Claim], refusal: Refusal, wait_seconds: float) -> Answer:
        """Stand in line until the turn comes or the time is over."""
        waiter = Waiter(claims, next(self._tickets), self._missing_places(refusal)[0])
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
            answer = self.reserve_now(waiter.claims, waiter.ticket)
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
