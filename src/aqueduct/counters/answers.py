"""What counters answer to a claim: a reservation, a refusal, or that they do not know a budget yet."""

from collections.abc import Sequence
from typing import TypeAlias, final

import msgspec

from aqueduct.counters.claims import Claim, Place

PLACE_WAIT_SECONDS = 1.0
"""When to ask again for a place: nobody knows when one will be given back."""
MILLISECONDS = 1000


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a claim's count stands after the answer, for the `x-ratelimit` headers.

    `reset_seconds` is how long until nothing is used any more if nothing else comes; None where time alone changes
    nothing (places, budgets).
    """

    limit: int
    remaining: int
    reset_seconds: float | None


class Refused(msgspec.Struct, frozen=True):
    """A claim that does not fit, and after how many seconds it would; None is never."""

    claim: Claim
    wait_seconds: float | None


class Reservation(msgspec.Struct, gc=False):
    """All claims, granted, with how much was reserved of each and how much of it is used now; settled exactly once.

    One that no counters made reserves nothing: it is for a request that is served while they are away, and all that is
    settled of it is what its budgets spent. It has a name where it may have been made all the same, its answer lost on
    the way: by that name it is found, and settled once.
    """

    claims: Sequence[Claim]
    amounts: Sequence[int] = ()
    used: Sequence[int] = ()
    is_settled: bool = False
    name: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether counters made it."""
        return bool(self.used)

    def remaining(self, at: int) -> int:
        """Return what is left of the claim at that place."""
        left = self.claims[at].limit - self.used[at]
        return max(0, left)

    def reset_ms(self, at: int) -> int | None:
        """Return after how many milliseconds nothing of that claim is used; None where time changes nothing."""
        return None

    @property
    def standings(self) -> Sequence[Standing]:
        """How the claims stood when they were granted, in order; made when asked for."""
        resets = [self.reset_ms(at) for at in range(len(self.used))]
        return [
            Standing(claim.limit, self.remaining(at), None if reset is None else reset / MILLISECONDS)
            for at, (claim, reset) in enumerate(zip(self.claims, resets, strict=True))
        ]

    def end(self, amounts: Sequence[int]) -> None:
        """Take note that it is being settled. Raises `RuntimeError` the second time, `ValueError` on a wrong amount."""
        if self.is_settled:
            raise RuntimeError("a reservation is settled once")
        if len(amounts) != len(self.claims) or (amounts and min(amounts) < 0):
            raise ValueError("a settlement has one amount for each claim, none below zero")
        self.is_settled = True


@final
class Refusal(msgspec.Struct, frozen=True):
    """Nothing was reserved, because the `refused` claims do not fit; the standings are of all claims, in order."""

    standings: Sequence[Standing]
    refused: Sequence[Refused]

    @property
    def is_counted(self) -> bool:
        """Whether counters made it."""
        return True

    @property
    def used(self) -> Sequence[int]:
        """How much of each claim is used; no more than its limit."""
        return [each.limit - each.remaining for each in self.standings]

    def reset_ms(self, at: int) -> int | None:
        """Return after how many milliseconds nothing of that claim is used; None where time changes nothing."""
        seconds = self.standings[at].reset_seconds
        return None if seconds is None else round(seconds * MILLISECONDS)

    @property
    def wait_seconds(self) -> float | None:
        """The longest of the waits; None when one of the claims will never fit."""
        waits = [each.wait_seconds for each in self.refused]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    @property
    def is_for_a_place(self) -> bool:
        """Whether only places are missing, so that waiting for one may help."""
        return all(type(each.claim) is Place and each.wait_seconds is not None for each in self.refused)


@final
class Unseeded(msgspec.Struct, frozen=True):
    """Nothing was reserved, because it is not known how much of these budgets (their keys) is spent: `seed` them."""

    keys: Sequence[str]


Answer: TypeAlias = Reservation | Refusal | Unseeded


def amounts_of(claims: Sequence[Claim]) -> list[int]:
    """Return the amounts that claims name themselves."""
    return [1 if type(claim) is Place else claim.amount for claim in claims]


def window_standing(limit: int, used: int, reset_ms: int) -> Standing:
    """Describe a window of which `used` is used."""
    return Standing(limit, max(limit - used, 0), reset_ms / MILLISECONDS)


def lasting_standing(limit: int, used: int) -> Standing:
    """Describe a count that time does not change."""
    return Standing(limit, max(limit - used, 0), None)
