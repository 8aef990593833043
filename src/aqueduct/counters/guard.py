"""What happens to requests while the server that counts is away: a setting for limits and one for budgets."""

import contextlib
from collections.abc import Sequence
from typing import Self

from typing_extensions import override

from aqueduct.counters.answers import Answer, Reservation, amounts_of
from aqueduct.counters.claims import Budget, Claim
from aqueduct.counters.contract import Counters
from aqueduct.errors import CountersUnavailable
from aqueduct.telemetry.metrics import REQUESTS_WITHOUT_COUNTERS


class GuardedCounters(Counters):
    """Other counters, whose absence refuses what claims a budget, or a limit, or serves it uncounted."""

    def __init__(self, counters: Counters, *, are_limits_open: bool, are_budgets_open: bool) -> None:
        self.counters = counters
        self._are_limits_open = are_limits_open
        self._are_budgets_open = are_budgets_open

    @override
    async def __aenter__(self) -> Self:
        await self.counters.__aenter__()
        return self

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        await self.counters.__aexit__(*exc_info)

    @override
    async def reserve(
        self,
        claims: Sequence[Claim],
        amounts: Sequence[int] | None = None,
        *,
        name: str | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Reserve, or raise `CountersUnavailable`, or return a reservation of nothing."""
        try:
            return await self.counters.reserve(claims, amounts, name=name, wait_seconds=wait_seconds)
        except CountersUnavailable as error:
            if not all(map(self._is_open, claims)):
                REQUESTS_WITHOUT_COUNTERS.labels("refused").inc()
                raise
            REQUESTS_WITHOUT_COUNTERS.labels("served").inc()
            if error.may_have_reserved and name is not None:
                return Reservation(claims, amounts_of(claims) if amounts is None else amounts, name=name)
            return Reservation(claims)

    @override
    def reserve_at_once(self, claims: Sequence[Claim], amounts: Sequence[int]) -> Reservation | None:
        return self.counters.reserve_at_once(claims, amounts)

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        self.counters.settle(reservation, amounts)

    @override
    def release(self, reservation: Reservation) -> None:
        self.counters.release(reservation)

    @override
    async def seed(self, key: str, spent: int) -> bool:
        """Seed, or return False: that the counters are away is decided upon when the request is reserved again."""
        with contextlib.suppress(CountersUnavailable):
            return await self.counters.seed(key, spent)
        return False

    @override
    async def forget(self, key: str) -> None:
        await self.counters.forget(key)

    def _is_open(self, claim: Claim) -> bool:
        if type(claim) is Budget:
            return self._are_budgets_open or not claim.is_hard
        return self._are_limits_open
