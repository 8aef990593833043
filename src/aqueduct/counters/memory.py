"""Counters of one process: plain objects, and no `await` between looking and taking."""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Answer, Refusal, Refused, Reservation, Unseeded, amounts_of
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
    """A reservation with the counts it was made in, where in its window each amount went to, and when."""

    counts: Sequence[_Count] = ()
    holds: Sequence[Any] = ()
    now_ms: int = 0

    @override
    def reset_seconds(self, at: int) -> float | None:
        claim = self.claims[at]
        if type(claim) is not Window:
            return None
        if self.remaining[at] == claim.limit:
            return 0.0
        return ((self.now_ms // MILLISECONDS + claim.seconds + 1) * MILLISECONDS - self.now_ms) / MILLISECONDS


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
        if amounts is None:
            amounts = amounts_of(claims)
        now_ms = self._clock()
        second = now_ms // MILLISECONDS
        if now_ms >= self._sweep_at:
            self._sweep(now_ms)
        counts: list[_Count] = []
        has_room = is_seeded = True
        for claim, amount in zip(claims, amounts, strict=True):
            count: _Count
            if type(claim) is Window:
                count = self._windows.get(claim.key) or self._windows.add(claim.key, WindowCount(claim.seconds), now_ms)
                has_room &= count.has_room(claim, amount, second)
            elif type(claim) is Place:
                count = self._places.get(claim.key) or self._places.setdefault(claim.key, PlaceCount())
                has_room &= count.has_room(claim, ticket)
            else:
                count = self._budgets.get(claim.key) or self._budgets.add(claim.key, BudgetCount(now_ms), now_ms)
                is_seeded &= count.spent is not None
                has_room &= count.has_room(claim, amount, now_ms)
            counts.append(count)
        if len(set(counts)) != len(counts):
            raise ValueError("two claims of a request have the same key")
        if not (has_room and is_seeded):
            return self._refuse(claims, amounts, counts, now_ms, ticket)
        return self._take(claims, amounts, counts, now_ms)

    def _take(
        self, claims: Sequence[Claim], amounts: Sequence[int], counts: Sequence[_Count], now_ms: int
    ) -> Reservation:
        """Take what has room."""
        second = now_ms // MILLISECONDS
        holds: list[Any] = []
        remaining: list[int] = []
        for claim, amount, count in zip(claims, amounts, counts, strict=True):
            if type(claim) is Window:
                holds.append(count.take(amount, second))
                used = count.used
            else:
                holds.append(None)
                if type(claim) is Place:
                    count.held = used = count.held + 1
                else:
                    count.reserved += amount
                    used = count.used
            limit = claim.limit
            remaining.append(limit - used if used < limit else 0)
        return _Held(claims, amounts, remaining, False, counts, holds, now_ms)

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        if type(reservation) is not _Held:
            self._spend(reservation.claims, amounts)
            return
        second = self._clock() // MILLISECONDS
        freed: list[PlaceCount] = []
        rows = zip(reservation.claims, reservation.amounts, amounts, reservation.counts, reservation.holds, strict=True)
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

    def _refuse(
        self, claims: Sequence[Claim], amounts: Sequence[int], counts: list[_Count], now_ms: int, ticket: int
    ) -> Refusal | Unseeded:
        """Say what does not fit, or what is not known."""
        refused = []
        unseeded = []
        for claim, amount, count in zip(claims, amounts, counts, strict=True):
            if type(claim) is Place:
                has_room = count.has_room(claim, ticket)
            elif type(claim) is Window:
                has_room = count.used + amount <= claim.limit
            else:
                has_room = count.has_room(claim, amount, now_ms)
                if count.spent is None:
                    unseeded.append(claim.key)
            if not has_room:
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
