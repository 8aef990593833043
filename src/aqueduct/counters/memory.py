"""Counters of one process: plain objects, and no `await` between looking and taking."""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Answer, Refusal, Refused, Reservation, Unseeded, amounts_of
from aqueduct.counters.claims import Budget, Claim, Claims
from aqueduct.counters.contract import Counters
from aqueduct.counters.counts import BudgetCount, PlaceCount
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
        span_ms = None if self.found is None else self.found.spans_ms[at]
        if span_ms is None:
            return None
        return span_ms - self.now_ms % MILLISECONDS if self.used[at] else 0


class MemoryCounters(Counters):
    """Counts in this process and its event loop alone."""

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self._clock = clock
        self._tables = Tables()
        self._tickets = itertools.count()
        self._sweep_at = clock()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._tables)

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

    @override
    def reserve_at_once(self, claims: Sequence[Claim], amounts: Sequence[int]) -> Reservation | None:
        now_ms = self._clock()
        if now_ms >= self._sweep_at:
            self._sweep_at = now_ms + MILLISECONDS
            self._tables.sweep(now_ms)
        found = claims.found if type(claims) is Claims else None
        if type(found) is not FoundCounts:
            return None
        second = now_ms // MILLISECONDS
        if (found.asked_in != second or found.mark is not self._tables.mark) and not found.go_on(self._tables, second):
            return None
        used = found.take_if_room(amounts)
        return None if used is None else _Held(claims, amounts, used, False, "", found, now_ms)

    def reserve_now(self, claims: Sequence[Claim], amounts: Sequence[int] | None = None) -> Answer:
        """Reserve without waiting."""
        if amounts is None:
            amounts = amounts_of(claims)
        return self.reserve_at_once(claims, amounts) or self._look_closely(claims, amounts, _NEWCOMER)

    def _look_closely(self, claims: Sequence[Claim], amounts: Sequence[int], ticket: int) -> Answer:
        """Reserve what is not known to fit, or find out why it does not."""
        if type(claims) is not Claims:
            claims = Claims(claims)
        now_ms = self._clock()
        found = claims.found
        if type(found) is not FoundCounts or not found.go_on(self._tables, now_ms // MILLISECONDS):
            found = FoundCounts(self._tables, claims, now_ms)
        for claim, amount, count in zip(claims, amounts, found.counts, strict=True):
            if not count.has_room(claim, amount, ticket):
                return self._refuse(claims, amounts, found.counts, now_ms, ticket)
        # From now on nothing is looked up for those who claim the same: all of it is known.
        claims.found = found
        return _Held(claims, amounts, found.take(amounts), False, "", found, now_ms)

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        if type(reservation) is not _Held or reservation.found is None:
            self._spend(reservation.claims, amounts)
            return
        for place in reservation.found.settle(reservation.amounts, amounts, reservation.now_ms // MILLISECONDS):
            self._hand_on(place)

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
            self._tables.mark = object()

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
            answer = self._look_closely(waiter.claims, waiter.amounts, waiter.ticket)
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

    def _spend(self, claims: Sequence[Claim], amounts: Sequence[int]) -> None:
        for claim, amount in zip(claims, amounts, strict=True):
            if type(claim) is Budget and (budget := self._tables.budgets.get(claim.key)):
                budget.spend(amount)
