"""The line for a place: first come, first served, and nobody overtakes."""

import asyncio
from bisect import insort
from collections.abc import Sequence

from aqueduct.counters.answers import Answer
from aqueduct.counters.claims import Claim
from aqueduct.counters.counts import PlaceCount


class Waiter:
    """Somebody in line, with a ticket that says who came before; `answer` is set when his turn has come."""

    __slots__ = ("amounts", "answer", "claims", "place", "ticket")

    def __init__(self, claims: Sequence[Claim], amounts: Sequence[int], ticket: int, place: PlaceCount) -> None:
        self.claims = claims
        self.amounts = amounts
        self.ticket = ticket
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.place = place
        self.join(place)

    def join(self, place: PlaceCount) -> None:
        """Stand in line for a place, before those who came later."""
        self.place = place
        insort(place.waiters, self, key=_ticket)

    def leave(self) -> None:
        """Stand in line no longer."""
        self.place.waiters.remove(self)


def _ticket(waiter: Waiter) -> int:
    return waiter.ticket
