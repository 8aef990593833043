"""A retry budget: asking again may add so much to the load of an upstream that is failing, and no more."""

EXTRA_LOAD = 0.2
"""How many more attempts than requests there may be, in the long run."""
RESERVE_PER_SECOND = 1.0
RESERVE = 20.0
"""What is there beside it, so that the few requests of a quiet model can be tried again at all."""
_MOST = 100.0


class RetryBudget:
    """What one model may spend on asking again, hedging included."""

    __slots__ = ("_earned", "_refilled_at", "_reserve", "_seen", "requests")

    def __init__(self, now: float) -> None:
        self.requests = 0
        """How many requests came; counted by whoever takes them, since each does."""
        self._seen = 0
        self._earned = 0.0
        self._reserve = RESERVE
        self._refilled_at = now

    def has_room(self, now: float) -> bool:
        """Whether one more attempt could be paid for."""
        self._refill(now)
        return self._earned >= 1 or self._reserve >= 1

    def spend(self, now: float) -> bool:
        """Pay for one more attempt; return whether there was enough."""
        self._refill(now)
        if self._earned >= 1:
            self._earned -= 1
            return True
        if self._reserve >= 1:
            self._reserve -= 1
            return True
        return False

    def _refill(self, now: float) -> None:
        self._earned = min(_MOST, self._earned + (self.requests - self._seen) * EXTRA_LOAD)
        self._seen = self.requests
        self._reserve = min(RESERVE, self._reserve + (now - self._refilled_at) * RESERVE_PER_SECOND)
        self._refilled_at = now
