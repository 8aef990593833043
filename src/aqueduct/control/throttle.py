"""Slows down whoever guesses passwords: so many failures by account and by address, then a wait.

Counted in this process alone, and forgotten with it: what is to be made hopeless is guessing millions of passwords, and
for that it does not matter whether several gateways each allow some dozens.
"""

import time
from collections.abc import Callable

from cachetools import TTLCache

from aqueduct.errors import TooManyAttempts

WINDOW_SECONDS = 900.0
MAX_KEYS = 100_000
BY_ACCOUNT_AND_ADDRESS = 5
"""Failures at one account from one address: a person who mistypes; others who know the account are not shut out."""
BY_ACCOUNT = 50
BY_ADDRESS = 30


class Throttle:
    """Counts failures for a quarter of an hour from the first on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: TTLCache[tuple[str, str], tuple[int, float]] = TTLCache(MAX_KEYS, WINDOW_SECONDS, clock)

    def require_patience(self, account: str, address: str | None) -> None:
        """Raise `TooManyAttempts` where too many have failed."""
        for key, allowed in self._keys(account, address):
            count, ends_at = self._failures.get(key, (0, 0.0))
            wait = ends_at - self._clock()
            if count >= allowed and wait > 0:
                minutes = max(1, round(wait / 60))
                message = f"Too many attempts to sign in. Try again in {minutes} minute{'s' * (minutes > 1)}."
                raise TooManyAttempts(message, retry_after_seconds=wait)

    def note_failure(self, account: str, address: str | None) -> None:
        """Count one that has failed."""
        for key, _ in self._keys(account, address):
            count, ends_at = self._failures.get(key, (0, self._clock() + WINDOW_SECONDS))
            self._failures[key] = (count + 1, ends_at)

    def note_success(self, account: str, address: str | None) -> None:
        """Forget the failures of somebody who knew the password in the end."""
        self._failures.pop(_pair(account, address), None)

    def _keys(self, account: str, address: str | None) -> list[tuple[tuple[str, str], int]]:
        return [
            (_pair(account, address), BY_ACCOUNT_AND_ADDRESS),
            ((account, ""), BY_ACCOUNT),
            (("", address or "?"), BY_ADDRESS),
        ]


def _pair(account: str, address: str | None) -> tuple[str, str]:
    return account, address or "?"
