"""What is going on at every target: requests in flight, their pace, their failures.

State belongs to what a target is (provider, address, credential, model), not to the object: a reload of the config
makes new objects and leaves the health of what stayed the same alone.
"""

import asyncio
import hashlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterable

from aqueduct.domain.model import Model, Target
from aqueduct.domain.routing import TargetLimits
from aqueduct.domain.snapshot import WILDCARD
from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamError
from aqueduct.gateway.routing.breaker import Breaker, BreakerState
from aqueduct.gateway.routing.latency import Latency
from aqueduct.gateway.routing.leases import ASKING_SECONDS, Leases
from aqueduct.gateway.routing.policy import Symptom, reaction_to
from aqueduct.gateway.routing.quota import NEWS_SECONDS, Quota, Slot
from aqueduct.gateway.routing.retry_budget import RetryBudget
from aqueduct.gateway.routing.traits import Traits

_UNAUTHORIZED = 401

Waiter = asyncio.Future[None]


class TargetState:
    """One target, as it is at the moment."""

    __slots__ = (
        "breaker",
        "failures",
        "first_content",
        "id",
        "in_flight",
        "leases",
        "limits",
        "quota",
        "requests",
        "target",
        "waiting",
        "whole",
    )

    def __init__(self, target: Target, leases: Leases) -> None:
        self.id = identify(target)
        self.target = target
        self.leases = leases
        self.limits: TargetLimits | None = target.limits
        self.breaker = Breaker(target.provider.breaker)
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self.first_content = Latency()
        """Of streams: until the first event with content."""
        self.whole = Latency()
        """Of plain answers: until they were there."""
        self.quota = None if target.limits is None else Quota()
        self.waiting: deque[Waiter] = deque()
        """Who waits for a place in flight, in order."""

    @property
    def is_free(self) -> bool:
        """Whether nothing stands in the way of a request, now or at any time."""
        return self.breaker.is_closed and self.limits is None

    def latency(self, *, is_stream: bool) -> Latency:
        """Return the pace of a kind of answer."""
        return self.first_content if is_stream else self.whole

    def is_ready(self, now: float, traits: Traits) -> bool:
        """Whether a request may go there at once."""
        return self.is_in_use(now) and (self.limits is None or self.room_wait(now, traits) <= 0)

    def is_well(self, now: float, traits: Traits) -> bool:
        """Whether a request may go there that is not worth a trial, nor a place that others wait for."""
        is_closed = self.breaker.state(now) is BreakerState.CLOSED
        return is_closed and not self.waiting and self.room_wait(now, traits) <= 0

    def is_in_use(self, now: float) -> bool:
        """Whether its breaker lets a request through now, and where it is to be tried, whether that is our turn."""
        breaker = self.breaker
        if breaker.is_closed or self.in_flight < breaker.room:
            return True
        return breaker.is_ready(now) and (breaker.state(now) is BreakerState.CLOSED or self.leases.has(self.id, now))

    def room_wait(self, now: float, traits: Traits) -> float:
        """Return how long until the provider's own limits have room; infinite where that depends on other requests."""
        limits = self.limits
        if limits is None or self.quota is None:
            return 0.0
        if limits.concurrency is not None and self.in_flight >= limits.concurrency:
            return float("inf")
        wait = self.quota.wait_seconds(limits, traits.tokens_used, now)
        if limits.concurrency is not None and self.in_flight + self.quota.others.in_flight >= limits.concurrency:
            return max(wait, NEWS_SECONDS)
        return wait

    def wait(self, now: float, traits: Traits) -> float:
        """Return how long until a request may go there, as far as that is known; infinite otherwise."""
        breaker = self.breaker
        if not self.is_in_use(now):
            if breaker.reason is not Symptom.RATE_LIMIT:
                return ASKING_SECONDS if self.leases.is_pending(self.id) else float("inf")
            return max(breaker.open_until - now, self.room_wait(breaker.open_until, traits))
        return self.room_wait(now, traits)

    def call_next(self) -> None:
        """A place is free: whoever waits longest may go on."""
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break


class Flight:
    """One call to a target, from its beginning to its end."""

    __slots__ = ("_began_at", "_is_judged", "_is_probe", "_is_stream", "_slot", "_state", "traffic")

    def __init__(
        self, traffic: "Traffic", state: TargetState, traits: Traits | None, *, is_stream: bool, is_judged: bool
    ) -> None:
        now = traffic.now()
        self.traffic = traffic
        self._state = state
        self._is_stream = is_stream
        self._slot: Slot | None = None
        self._began_at = now
        self._is_probe = False
        self._is_judged = is_judged
        state.in_flight += 1
        state.requests += is_judged
        if not state.is_free:
            self._is_probe = is_judged and state.breaker.begin(now)
            if state.quota is not None and traits is not None:
                self._slot = state.quota.take(now, traits.tokens_used)

    def note_content(self) -> None:
        """The stream's first content is there."""
        if not self._is_judged:
            return
        now = self.traffic.now()
        self._state.first_content.add(now - self._began_at, now)
        if self._is_probe:
            self._end_probe(is_alive=True)

    def end(self, error: UpstreamError | None, units: Units, *, is_whole: bool) -> None:
        """It is over: it failed, was answered whole, or was given up, which says nothing of the target."""
        state, now = self._state, self.traffic.now()
        state.in_flight -= 1
        if self._is_judged:
            self._judge(error, now, is_whole=is_whole)
        if self._slot is not None and state.quota is not None and "input_tokens" in units:
            state.quota.settle(self._slot, units["input_tokens"] + units.get("output_tokens", 0), now)
        if state.waiting:
            state.call_next()

    def _judge(self, error: UpstreamError | None, now: float, *, is_whole: bool) -> None:
        state = self._state
        if error is not None:
            self._fail(error, now)
        elif is_whole:
            state.breaker.succeed()
            if not self._is_stream:
                state.whole.add(now - self._began_at, now)
        if self._is_probe:
            self._end_probe(is_alive=error is None and is_whole)

    def _fail(self, error: UpstreamError, now: float) -> None:
        state, symptom = self._state, symptom_of(error, self._state.target)
        state.failures += symptom is not Symptom.NONE
        if symptom is Symptom.NONE:
            if self._is_probe:
                self._end_probe(is_alive=True)
            return
        if state.breaker.fail(symptom, now, error.retry_after_seconds, state.in_flight):
            self.traffic.tell(state, error)

    def _end_probe(self, *, is_alive: bool) -> None:
        self._is_probe = False
        self._state.breaker.end_probe(is_alive=is_alive)
        self._state.leases.give_back(self._state.id)
        if is_alive:
            self.traffic.tell(self._state, None)


def symptom_of(error: UpstreamError, target: Target) -> Symptom:
    """Return what an error says of a target; behind `*`, nothing where it may be about one name alone."""
    symptom = reaction_to(error).symptom
    is_of_all = symptom in (Symptom.FAILURE, Symptom.OVERLOAD) or error.status == _UNAUTHORIZED
    is_of_name = target.model == WILDCARD and not is_of_all
    return Symptom.NONE if is_of_name else symptom


Listener = Callable[[TargetState, UpstreamError | None], None]
"""Hears of every target that is taken out of use, with the error that decided it, and of those that are back."""

FailureListener = Callable[[str, str, Target, UpstreamError], None]
"""Hears of every attempt that failed: the request's id, the model that was asked, the target, and why."""


class Traffic:
    """Every target's state and every model's retry budget, on one clock and with one pair of dice."""

    def __init__(self, now: Callable[[], float] = time.monotonic, rng: random.Random | None = None) -> None:
        self.now = now
        self.rng = rng or random.Random()  # noqa: S311 -- spreads load, keeps no secret
        self.listeners: list[Listener] = []
        self.failure_listeners: list[FailureListener] = []
        self.leases = Leases()
        self.generation = 0
        """How often other targets came to be served."""
        self._by_target: dict[Target, TargetState] = {}
        self._by_id: dict[str, TargetState] = {}
        self._budgets: dict[str, RetryBudget] = {}

    @property
    def states(self) -> Iterable[TargetState]:
        """The targets that were asked or looked at so far."""
        return self._by_id.values()

    def state(self, target: Target) -> TargetState:
        """Return the state of a target."""
        found = self._by_target.get(target)
        return self._learn(target) if found is None else found

    def budget(self, model: Model) -> RetryBudget:
        """Return the retry budget of a model."""
        found = self._budgets.get(model.name)
        if found is None:
            found = self._budgets[model.name] = RetryBudget(model.routing, self.now())
        return found

    def begin(self, target: Target, traits: Traits | None, *, is_stream: bool, is_judged: bool = True) -> Flight:
        """A call to a target begins; one that is not judged counts in its limits, and for nothing else."""
        state = self._by_target.get(target) or self._learn(target)
        return Flight(self, state, traits, is_stream=is_stream, is_judged=is_judged)

    def retain(self, targets: Iterable[Target]) -> None:
        """Forget every target but these: what is served has changed. What is in flight ends where it began."""
        self._by_target = {}
        before, self._by_id = self._by_id, {}
        for target in targets:
            if (known := before.get(identify(target))) is not None:
                self._by_id[known.id] = known
            if target not in self._by_target:
                self._learn(target, is_served=True)
        self._budgets = {}
        self.generation += 1

    def tell(self, state: TargetState, error: UpstreamError | None) -> None:
        """Tell that a target is out of use, or back."""
        for listener in self.listeners:
            listener(state, error)

    def tell_failure(self, request_id: str, model: str, target: Target, error: UpstreamError) -> None:
        """Tell that an attempt has failed."""
        for listener in self.failure_listeners:
            listener(request_id, model, target, error)

    def _learn(self, target: Target, *, is_served: bool = False) -> TargetState:
        identity = identify(target)
        state = self._by_id.get(identity)
        if state is None:
            state = self._by_id[identity] = TargetState(target, self.leases)
        elif is_served:
            # Only what is served now says what holds: a request that began earlier knows older limits.
            state.target, state.limits = target, target.limits
            if state.quota is None and target.limits is not None:
                state.quota = Quota()
        self._by_target[target] = state
        return state


def identify(target: Target) -> str:
    """Return what two targets have in common only if they are the same, secrets and addresses hashed."""
    provider = target.provider
    parts = (
        provider.name,
        provider.kind,
        repr(provider.origin),
        provider.base_path,
        provider.api_key or "",
        repr(provider.headers),
        repr(sorted(provider.options.items())),
        repr(sorted(provider.credentials.items())),
        repr(provider.breaker),
        target.model,
        target.model_path or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
