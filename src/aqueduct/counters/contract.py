"""The contract that both kinds of counters keep; one suite of tests is run on both."""

from collections.abc import Sequence
from typing import Protocol, Self

from aqueduct.counters.answers import Answer, Reservation
from aqueduct.counters.claims import Claim


class Counters(Protocol):
    """Counts what is reserved, used and spent; an asynchronous context manager that ends what it started.

    Every method may raise `CountersUnavailable`, within 50 ms, except `settle` and `release`, which are owed no answer.
    """

    async def __aenter__(self) -> Self:
        """Begin to count."""

    async def __aexit__(self, *exc_info: object) -> None:
        """Send what is on its way and let go of everything."""

    async def reserve(
        self,
        claims: Sequence[Claim],
        amounts: Sequence[int] | None = None,
        *,
        name: str | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Reserve all claims in one atomic step, or none.

        `amounts` (one a claim, none above `MAX_LIMIT`; 1 for a place) are claimed in the place of the claims' own, so
        that claims are made once for many requests. `name` tells the reservation from every other one, for good: what
        it stands for is found by it after the process has died. No two claims of one kind have the same key
        (`ValueError`). Where nothing but places is missing, one is waited for up to `wait_seconds`; a caller cancelled
        meanwhile leaves nothing behind.
        """

    def reserve_at_once(self, claims: Sequence[Claim], amounts: Sequence[int]) -> Reservation | None:
        """Reserve all claims where that can be told without waiting; None, and nothing is reserved: ask `reserve`."""

    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """Replace what was reserved by the truth, one amount a claim, and give its places back.

        A window is corrected where the reservation went to, if that still counts; a budget's amount becomes spent. A
        place's amount is ignored. Raises `RuntimeError` when the reservation is settled already.
        """

    def release(self, reservation: Reservation) -> None:
        """Settle to nothing: the request did not happen."""

    async def seed(self, key: str, spent: int) -> bool:
        """Say how much of a budget is spent; the first to say so is believed, and told True."""

    async def forget(self, key: str) -> None:
        """Forget how much of a budget is spent, so that it is seeded again; what is reserved stays."""
