"""Short ways to ask counters and to insist on the answer."""

from collections.abc import Sequence

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.counters.claims import Claim
from aqueduct.counters.contract import Counters


async def granted(counters: Counters, *claims: Claim, wait_seconds: float = 0.0) -> Reservation:
    answer = await counters.reserve(claims, wait_seconds=wait_seconds)
    assert isinstance(answer, Reservation), answer
    return answer


async def refused(counters: Counters, *claims: Claim, wait_seconds: float = 0.0) -> Refusal:
    answer = await counters.reserve(claims, wait_seconds=wait_seconds)
    assert isinstance(answer, Refusal), answer
    return answer


async def remaining(counters: Counters, claim: Claim) -> int:
    """What is left of a count, which stays as it is."""
    reservation = await granted(counters, claim)
    counters.release(reservation)
    return reservation.standings[0].remaining


def keys(refusal: Refusal) -> Sequence[str]:
    return [each.claim.key for each in refusal.refused]
