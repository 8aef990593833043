"""What a request claims: amounts in windows, places, parts of budgets.

A key names one count among those of its kind. Whatever makes a count another one (the owner, the model, the unit, a
budget's period) is part of the key; the limit is not, and may be another one at the next claim.
"""

from collections.abc import Iterable
from typing import Any, Self, TypeAlias, final

import msgspec

MAX_LIMIT = 10**18
"""The largest limit or amount: a billion currency units in nano-units, and well inside of 64 bits."""
MAX_WINDOW_SECONDS = 3600
"""The longest window: it is counted second by second."""


@final
class Window(msgspec.Struct, frozen=True, gc=False):
    """An amount that counts for `seconds` from now on; a key has one length for good."""

    key: str
    limit: int
    amount: int = 1
    seconds: int = 60

    def __post_init__(self) -> None:
        _check(self.limit, self.amount)
        if not 1 <= self.seconds <= MAX_WINDOW_SECONDS:
            raise ValueError(f"a window is 1 to {MAX_WINDOW_SECONDS} seconds long, not {self.seconds}")


@final
class Place(msgspec.Struct, frozen=True, gc=False):
    """One of `limit` places, taken until the reservation is settled."""

    key: str
    limit: int

    def __post_init__(self) -> None:
        _check(self.limit, 1)


@final
class Budget(msgspec.Struct, frozen=True, gc=False):
    """An amount of money, in integer nano-units; a soft budget is counted and never refuses."""

    key: str
    limit: int
    amount: int
    is_hard: bool = True

    def __post_init__(self) -> None:
        _check(self.limit, self.amount)


Claim: TypeAlias = Window | Place | Budget


@final
class Claims(tuple[Claim, ...]):
    """Claims of which no two of a kind have the same key, looked at once for all requests that claim them.

    Raises `ValueError` where two have. `found` is what counters keep with them: where they are counted, so that nothing
    is looked up by its key for each request.
    """

    found: Any

    def __new__(cls, claims: Iterable[Claim]) -> Self:
        """Look at the keys."""
        made = super().__new__(cls, claims)
        made.found = None
        if len({(type(claim), claim.key) for claim in made}) != len(made):
            raise ValueError("two claims of a request have the same key")
        return made


def _check(limit: int, amount: int) -> None:
    if not (0 <= amount <= MAX_LIMIT and 0 <= limit <= MAX_LIMIT):
        raise ValueError(f"limits and amounts are between 0 and {MAX_LIMIT}")
