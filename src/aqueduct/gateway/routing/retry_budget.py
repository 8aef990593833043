"""A retry budget: asking again may add so much to the load of an upstream that is failing, and no more."""

from aqueduct.domain.routing import Routing

_REFILL_SECONDS = 20.0
_MOST = 100.0


class RetryBudget:
    """What one model may spend on asking again, hedging included."""

    __slots__ = ("_earned", "_extra_load", "_most", "_refilled_at", "_reserve", "_seen", "requests")

    def __init__(self, routing: Routing, now: float) -> None:
        self._extra_load = routing.extra_load
        self._most = routing.retry_reserve
        self.requests = 0
        """How many requests came; counted by whoever takes them, since each does."""
        self._seen = 0
        self._earned = 0.0
        self._reserve = self._most
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
        self._earned = min(_MOST, self._earned + (self.requests - self._seen) * self._extra_load)
        self._seen = self.requests
        refill = (now - self._refilled_at) * self._most / _REFILL_SECONDS
        self._reserve = min(self._most, self._reserve + refill)
        self._refilled_at = now
