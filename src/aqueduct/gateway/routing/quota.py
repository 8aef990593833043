"""What a provider allows us at one target, kept to ahead of time: requests and tokens of the last minute, in flight.

Where gateways share what they know, each takes what the others used off what there is. Then the minute's end of what
they used is not known exactly: whoever waits for it looks again after a moment.
"""

from collections import deque

import msgspec

from aqueduct.domain.routing import TargetLimits

MINUTE = 60.0
NEWS_SECONDS = 0.5
"""After how long it is looked again whether there is news of other gateways, which there is about once a second."""
_SHORT_SECONDS = 2.0


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What other gateways use of a target: requests and tokens of the last minute, requests in flight.

    `short` is how many of them lack room: then nobody takes more than an equal part of what there is.
    """

    requests: int = 0
    tokens_used: int = 0
    in_flight: int = 0
    short: int = 0

    def left_of(self, limit: int, used: int, own: int) -> int:
        """Return how much of a limit this gateway may have: `used` is what the others have of it, `own` what it has."""
        left = limit - used
        # Who has nothing yet is not held to a part: one large request may need more of it.
        return min(left, max(limit // (1 + self.short), 1)) if self.short and own else left


NOBODY = Use()


class Slot:
    """What one request takes of the minute it began in."""

    __slots__ = ("at", "tokens_used")

    def __init__(self, at: float, tokens_used: int) -> None:
        self.at = at
        self.tokens_used = tokens_used


class Quota:
    """Requests and tokens of the last minute, exactly; made only for targets that have a limit."""

    __slots__ = ("_slots", "_tokens_used", "others", "short_at")

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self._tokens_used = 0
        self.others = NOBODY
        self.short_at = float("-inf")
        """When a request last found no room here."""

    def use(self, now: float, in_flight: int) -> Use:
        """Return what this gateway uses, for the others."""
        self._forget(now)
        is_short = now - self.short_at < _SHORT_SECONDS
        return Use(requests=len(self._slots), tokens_used=self._tokens_used, in_flight=in_flight, short=int(is_short))

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
        others = self.others
        wait = 0.0
        if limits.requests_per_minute is not None:
            requests = others.left_of(limits.requests_per_minute, others.requests, len(self._slots))
            if requests <= 0:
                wait = NEWS_SECONDS
            elif len(self._slots) >= requests:
                wait = self._slots[len(self._slots) - requests].at + MINUTE - now
        if limits.tokens_per_minute is not None:
            most = others.left_of(limits.tokens_per_minute, others.tokens_used, self._tokens_used)
            wait = max(wait, self._wait_for_tokens(most, estimate, now))
        if wait > 0:
            self.short_at = now
        return wait

    def _wait_for_tokens(self, most: int, estimate: int, now: float) -> float:
        if self._tokens_used + estimate <= most or not (self._tokens_used or self.others.tokens_used):
            return 0.0
        excess = self._tokens_used + estimate - most
        for slot in self._slots:
            excess -= slot.tokens_used
            if excess <= 0:
                return slot.at + MINUTE - now
        # Nothing of ours stands in the way, or it is too much for the limit: until all else is gone.
        if self.others.tokens_used:
            return NEWS_SECONDS
        return self._slots[-1].at + MINUTE - now

    def _forget(self, now: float) -> None:
        slots = self._slots
        while slots and now - slots[0].at >= MINUTE:
            self._tokens_used -= slots.popleft().tokens_used
