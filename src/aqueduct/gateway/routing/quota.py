"""What a provider allows us at one target, kept to ahead of time: requests and tokens of the last minute, in flight."""

from collections import deque

from aqueduct.domain.routing import TargetLimits

MINUTE = 60.0


class Slot:
    """What one request takes of the minute it began in."""

    __slots__ = ("at", "tokens_used")

    def __init__(self, at: float, tokens_used: int) -> None:
        self.at = at
        self.tokens_used = tokens_used


class Quota:
    """Requests and tokens of the last minute, exactly; made only for targets that have a limit."""

    __slots__ = ("_slots", "_tokens_used")

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self._tokens_used = 0

    def take(self, now: float, estimate: int) -> Slot:
        """Count a request that begins, with what it may use."""
        self._forget(now)
        slot = Slot(now, estimate)
        self._slots.append(slot)
        self._tokens_used += estimate
        return slot

    def settle(self, slot: Slot, tokens_used: int, now: float) -> None:
        """Replace the estimate by what was used, if it still counts."""
        if now - slot.at < MINUTE:
            self._tokens_used += tokens_used - slot.tokens_used
            slot.tokens_used = tokens_used

    def wait_seconds(self, limits: TargetLimits, estimate: int, now: float) -> float:
        """Return how long until a request has room; one that alone is over the limit has it when nothing else is."""
        self._forget(now)
        wait = 0.0
        requests = limits.requests_per_minute
        if requests is not None and len(self._slots) >= requests:
            wait = self._slots[len(self._slots) - requests].at + MINUTE - now
        most = limits.tokens_per_minute
        if most is not None and self._tokens_used and self._tokens_used + estimate > most:
            excess = self._tokens_used + estimate - most
            for slot in self._slots:
                excess -= slot.tokens_used
                if excess <= 0:
                    break
            wait = max(wait, slot.at + MINUTE - now)
        return wait

    def _forget(self, now: float) -> None:
        slots = self._slots
        while slots and now - slots[0].at >= MINUTE:
            self._tokens_used -= slots.popleft().tokens_used
