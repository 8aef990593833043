"""A circuit breaker: takes a target out of use while it fails, and lets one request at a time try it again.

One that has too much to do goes on getting as many requests as it was answering when it refused one more: a limit on
concurrency, learnt from its refusals. Taken out of use altogether it would idle, and where all targets have too much to
do, fewer requests would be answered than they can carry. Instants are on the clock of whoever drives it.
"""

import enum

from aqueduct.domain.routing import BreakerRules
from aqueduct.gateway.routing.policy import Symptom

WINDOW_SECONDS = 30.0
"""How long the requests are counted of which a share of failures is taken."""
LEAST_REQUESTS = 20
"""Of fewer requests no share is taken."""

_LONGEST_COOLING_SECONDS = 60.0
_REFUSED_SECONDS = 60.0
_LONGEST_REFUSED_SECONDS = 600.0
_RATE_LIMITED_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 600.0
"""However long an upstream asks us to wait: after this it is tried again."""

_FAILURES = (Symptom.FAILURE, Symptom.OVERLOAD)
_TOO_MUCH = (Symptom.OVERLOAD, Symptom.RATE_LIMIT)


class BreakerState(enum.Enum):
    """Whether a target is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The health of one target, as its own answers show it."""

    __slots__ = (
        "_failures",
        "_openings",
        "_probes",
        "_rules",
        "_successes",
        "_window_began_at",
        "_window_failures",
        "_window_successes",
        "is_closed",
        "open_until",
        "reason",
        "room",
    )

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._failures = 0
        self._openings = 0
        self._probes = 0
        self._successes = 0
        self._window_began_at = float("-inf")
        self._window_successes = 0
        self._window_failures = 0
        self.reason = Symptom.NONE
        """Why it is open; `NONE` while it is closed."""
        self.is_closed = True
        """Whether nothing stands in the way of a request."""
        self.open_until = 0.0
        self.room = 0
        """How many requests at once it goes on getting while it is open: what it carries, if it only has too much."""

    def state(self, now: float) -> BreakerState:
        """Return its state; a limit that has passed is none any more."""
        if self.is_closed or (self.reason is Symptom.RATE_LIMIT and now >= self.open_until):
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.open_until else BreakerState.HALF_OPEN

    def is_ready(self, now: float) -> bool:
        """Whether a request may go there now; while it is half open, one at a time."""
        state = self.state(now)
        return state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and not self._probes)

    def begin(self, now: float) -> bool:
        """Let a request through; return whether it is a probe, whose end is to be told."""
        if self.is_closed:
            return False
        state = self.state(now)
        if state is BreakerState.CLOSED:
            self._close()
        if state is BreakerState.HALF_OPEN:
            self._probes += 1
            return True
        return False

    def end_probe(self, *, is_alive: bool) -> None:
        """A probe has shown that the target answers, or came to nothing."""
        self._probes -= 1
        if is_alive:
            self._close()

    def succeed(self) -> None:
        """A request was answered whole."""
        self._failures = 0
        self._successes += 1

    def fail(self, symptom: Symptom, now: float, retry_after_seconds: float | None = None, in_flight: int = 0) -> bool:
        """A request failed, beside those in flight; return whether that has opened it, or keeps it open for longer."""
        if symptom is Symptom.NONE or not self._rules.is_enabled:
            return False
        has_too_much = symptom in _TOO_MUCH and not retry_after_seconds
        if has_too_much and self.room and now < self.open_until:
            # Its answer to one that came for a place that was free: somebody else has had it.
            self.room = min(self.room, in_flight)
            return False
        if symptom in _FAILURES:
            self._failures += 1
            self._note_failure(now)
            if not self._is_failing(symptom) and not retry_after_seconds:
                return False
        seconds = self._cooling_seconds(symptom, retry_after_seconds)
        if now < self.open_until and self.open_until >= now + seconds:
            return False
        is_longer = symptom is not Symptom.RATE_LIMIT and now >= self.open_until
        self._openings += is_longer
        self.open_until = max(self.open_until, now + seconds)
        self.reason = Symptom.RATE_LIMIT if symptom in _FAILURES and not self._is_failing(symptom) else symptom
        self.room = in_flight if has_too_much else 0
        self.is_closed = False
        return True

    @property
    def openings(self) -> int:
        """How often it was opened without having been closed between: the more often, the longer."""
        return self._openings

    @property
    def is_probed(self) -> bool:
        """Whether a request of this process tries it at the moment."""
        return self._probes > 0

    def learn(self, symptom: Symptom, open_until: float, openings: int, now: float, in_flight: int = 0) -> bool:
        """Take over what another gateway found out; return whether that changes anything here.

        `NONE` is that it is well. Of two waits the longer one counts. What is in flight here may stay as much.
        """
        if not self._rules.is_enabled:
            return False
        if symptom is Symptom.NONE:
            was_closed = self.is_closed
            self.close()
            return not was_closed
        has_passed = symptom is Symptom.RATE_LIMIT and open_until <= now
        if has_passed or (not self.is_closed and open_until <= self.open_until):
            return False
        self._openings = max(self._openings, openings)
        self.open_until = open_until
        self.reason = symptom
        self.room = in_flight if symptom is Symptom.OVERLOAD else 0
        self.is_closed = False
        return True

    def close(self) -> None:
        """A check found the target well again."""
        if not self.is_closed:
            self._close()

    def _cooling_seconds(self, symptom: Symptom, retry_after_seconds: float | None) -> float:
        if retry_after_seconds:
            return min(retry_after_seconds, LONGEST_WAIT_SECONDS)
        if symptom is Symptom.RATE_LIMIT:
            return _RATE_LIMITED_SECONDS
        doubled = float(1 << min(self._openings, 10))
        if symptom is Symptom.REFUSAL:
            return min(_REFUSED_SECONDS * doubled, _LONGEST_REFUSED_SECONDS)
        return min(self._rules.cooling_seconds * doubled, max(_LONGEST_COOLING_SECONDS, self._rules.cooling_seconds))

    def _is_failing(self, symptom: Symptom) -> bool:
        if self._failures >= self._rules.failures:
            return True
        # A failed probe is enough: it was the one request that was to show better.
        if self.reason in (*_FAILURES, Symptom.REFUSAL) and not (self.room and symptom is Symptom.FAILURE):
            return True
        failures = self._window_failures
        requests = self._successes - self._window_successes + failures
        return requests >= LEAST_REQUESTS and failures >= self._rules.error_rate * requests

    def _note_failure(self, now: float) -> None:
        """Count within a window that begins with a failure: then a success costs no look at the clock."""
        if now - self._window_began_at >= WINDOW_SECONDS:
            self._window_began_at, self._window_successes, self._window_failures = now, self._successes, 0
        self._window_failures += 1

    def _close(self) -> None:
        if self.reason is not Symptom.RATE_LIMIT:
            self._openings = 0
            self._failures = 0
            self._window_began_at = float("-inf")
        self.reason = Symptom.NONE
        self.is_closed = True
        self.open_until = 0.0
        self.room = 0
