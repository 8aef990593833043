"""A request's walk over targets, and over models where those of the one that was asked for fail. Pure.

Every target is asked once before any is asked again, so that a failover costs no waiting; between two rounds there is a
pause with jitter. What was asked first is free; all that follows is paid for by the model's retry budget.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aqueduct.domain.model import Model, Target
from aqueduct.domain.routing import FallbackKind
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import (
    AllTargetsFailed,
    InvalidRequest,
    RequestError,
    TargetDown,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnreachable,
)
from aqueduct.gateway.account import Entry
from aqueduct.gateway.routing.context_window import is_clearly_over
from aqueduct.gateway.routing.policy import Symptom, fallback_kind, reaction_to
from aqueduct.gateway.routing.strategies import order_targets
from aqueduct.gateway.routing.traffic import TargetState, Traffic, symptom_of
from aqueduct.gateway.routing.traits import Traits
from aqueduct.telemetry.metrics import RETRIES_REFUSED
from aqueduct.wire.request import Request

ROUNDS = 3
BACKOFF_SECONDS = 0.25
PATIENCE_SECONDS = 5.0
"""The longest pause between two rounds that a client should sit out."""

_NEVER = float("inf")
_SERIOUS = (Symptom.FAILURE, Symptom.REFUSAL)
"""What takes a target out of use, beside its provider's limits."""
_SHORTEST_SECONDS = 0.001
_HEDGED_SHARE = 0.95


class Ask(NamedTuple):
    """Send this request to this target now."""

    target: Target
    request: Request


class Wait(NamedTuple):
    """Go on after a pause; earlier, if one of the targets that are `full` gets a place free."""

    seconds: float
    full: Sequence[TargetState] = ()


class _Stage:
    """One model's targets: which are left to ask, and which of them were in this round."""

    __slots__ = ("asked", "failed_names", "left", "model", "request", "round")

    def __init__(self, model: Model, request: Request, traits: Traits, traffic: Traffic) -> None:
        self.model = model
        self.request = request
        self.left = [
            target
            for target in order_targets(model, traits, traffic)
            if target.context_window is None or not is_clearly_over(traits.request, target.context_window)
        ]
        self.asked: list[Target] = []
        self.failed_names: set[str] = set()
        self.round = 1

    @property
    def is_too_small(self) -> bool:
        """Whether the request is too long for every target."""
        return not self.left and not self.asked


class Walk:
    """Decides, one step at a time, what to do for one request."""

    def __init__(self, model: Model, request: Request, entry: Entry, traffic: Traffic, snapshot: Snapshot) -> None:
        traits = entry.traits = Traits(request, entry.principal.id, entry.call.started_at)
        self.model = model
        self._request = request
        self._traits = traits
        self._traffic = traffic
        self._snapshot = snapshot
        self.deadline_at: float | None = None
        """When all attempts together have had their time; None: each has its own."""
        self._budget = traffic.budget(model)
        self._stage = _Stage(model, request, traits, traffic)
        self._stages = [self._stage]
        self._queue_until: float | None = None
        self._is_paid = True
        self._causes: list[UpstreamError] = []
        self._refusal: RequestError | None = None
        self.unanswered: dict[Target, UpstreamError] = {}
        """The targets that failed at their last attempt, or refused our credential, credit or their model."""
        if model.routing.deadline_seconds is not None:
            self.deadline_at = traffic.now() + model.routing.deadline_seconds

    def next(self, now: float) -> Ask | Wait | None:
        """Return the next step; None when it is time to give up."""
        while True:
            stage = self._stage
            target = self._pick(stage, now)
            if target is not None:
                return self._ask(stage, target, now)
            pause = self._pause(stage, now)
            if pause is not None:
                stage.round += 1
                stage.asked.clear()
                return Wait(pause)
            if stage.is_too_small:
                if not self._fall_back(FallbackKind.CONTEXT_OVERFLOW):
                    self._refusal = self._refusal or _too_long()
                    return None
            elif not self._fall_back(FallbackKind.FAILURE):
                return self._queue(now)

    def _ask(self, stage: _Stage, target: Target, now: float) -> Ask | None:
        if self._is_past(now) or not self._pay(now):
            return None
        stage.asked.append(target)
        return Ask(target, stage.request)

    def begin_with(self, target: Target, error: UpstreamError | InvalidRequest) -> None:
        """Begin where the first target has been asked already, and failed."""
        self._stage.asked.append(target)
        self._is_paid = False
        self.note(target, error)

    def note(self, target: Target, error: UpstreamError | InvalidRequest) -> None:
        """Remember a failure: an upstream's, or that the target cannot carry the request."""
        stage = self._stage
        if isinstance(error, InvalidRequest):
            self._refusal = self._refusal or error
            self._is_paid = True  # nothing was sent
            stage.left.remove(target)
            return
        self._causes.append(error)
        if isinstance(error, UpstreamRejected):
            self._reject(target, error)
            return
        self.unanswered.pop(target, None)
        if isinstance(error, TargetDown) or symptom_of(error, target) in _SERIOUS:
            self.unanswered[target] = error
        reaction = reaction_to(error)
        self._is_paid = isinstance(error, TargetDown) or (isinstance(error, UpstreamUnreachable) and not error.is_sent)
        if not reaction.is_of_credential:
            stage.failed_names.add(target.name)
        if not reaction.is_retried:
            stage.left.remove(target)

    def failure(self, now: float) -> AllTargetsFailed | RequestError:
        """Return what the client is to hear."""
        if self._refusal and not self._causes:
            return self._refusal
        states = [self._traffic.state(target) for stage in self._stages for target in stage.model.targets]
        instants = [state.breaker.open_until - now for state in states if not state.breaker.is_closed]
        rooms = [wait for state in states if 0 < (wait := state.room_wait(now, self._traits)) < _NEVER]
        soonest = min((each for each in (*instants, *rooms) if each > 0), default=None)
        return AllTargetsFailed(self._causes, retry_after_seconds=soonest)

    def hedge_delay(self, ask: Ask) -> float | None:
        """Return after how many seconds a second target is asked beside this one; None: not at all."""
        hedge = self.model.routing.hedge
        if hedge is None or hedge.after_seconds is not None:
            return None if hedge is None else hedge.after_seconds
        pace = self._traffic.state(ask.target).latency(is_stream=self._traits.is_stream)
        return pace.percentile(_HEDGED_SHARE)

    def spare(self) -> Ask | None:
        """Return a target to ask beside the one that is being asked, paid for; None where there is none."""
        stage, now = self._stage, self._traffic.now()
        target = self._pick(stage, now)
        if target is None or not self._budget.spend(now):
            return None
        stage.asked.append(target)
        return Ask(target, stage.request)

    def _pick(self, stage: _Stage, now: float) -> Target | None:
        """Return the first target that may be asked; other keys of one that failed come after everything else."""
        traffic, traits = self._traffic, self._traits
        later: Target | None = None
        for target in stage.left:
            if target in stage.asked or not traffic.state(target).is_ready(now, traits):
                continue
            if target.name not in stage.failed_names:
                return target
            later = later or target
        return later

    def _is_past(self, at: float) -> bool:
        return self.deadline_at is not None and at >= self.deadline_at

    def _pay(self, now: float) -> bool:
        """Pay for an attempt that is not the first, unless the one before it cost no upstream anything."""
        if self._is_paid:
            self._is_paid = False
            return True
        if self._budget.spend(now):
            return True
        RETRIES_REFUSED.inc()
        return False

    def _pause(self, stage: _Stage, now: float) -> float | None:
        """Return the pause before the next round; None where there is none, or not with these targets."""
        again = [target for target in stage.asked if target in stage.left]
        if not again or stage.round >= ROUNDS or not self._budget.has_room(now):
            return None
        backoff = BACKOFF_SECONDS * 2 ** (stage.round - 1) * self._traffic.rng.uniform(0.5, 1.0)
        waits = [self._traffic.state(target).wait(now, self._traits) for target in again]
        asked = [cause.retry_after_seconds for cause in self._causes if cause.retry_after_seconds is not None]
        pause = max(backoff, min(waits), min(asked, default=0.0))
        return pause if pause <= PATIENCE_SECONDS and not self._is_past(now + pause) else None

    def _reject(self, target: Target, error: UpstreamRejected) -> None:
        """Go on with what may take the request that this one refused; raise where there is nothing."""
        self._is_paid = True  # it is no failure: whoever is asked next has not been asked by anyone for it
        kind = fallback_kind(error)
        stage = self._stage
        stage.left.remove(target)
        if kind is FallbackKind.CONTEXT_OVERFLOW:
            stage.left = [other for other in stage.left if _is_larger(other, target)]
            if stage.left:
                return
        if kind is None or not self._fall_back(kind):
            raise AllTargetsFailed(self._causes) from error

    def _fall_back(self, kind: FallbackKind) -> bool:
        """Go to the next model that has not been asked; those of the model asked last come before all others'."""
        known = {stage.model.name for stage in self._stages}
        for stage in reversed(self._stages):
            for name in stage.model.routing.fallbacks_of(kind):
                model = self._snapshot.find(name)
                if model is not None and model.name not in known:
                    request = self._request.with_fields(model=name)
                    self._stage = _Stage(model, request, self._traits, self._traffic)
                    self._stages.append(self._stage)
                    return True
        return False

    def _queue(self, now: float) -> Ask | Wait | None:
        """Ask what has become ready meanwhile, or wait for what is known to have room soon."""
        if self._queue_until is None:
            self._queue_until = now + self._stages[0].model.routing.queue_seconds
            if self.deadline_at is not None:
                self._queue_until = min(self._queue_until, self.deadline_at)
        left = self._queue_until - now
        full: list[TargetState] = []
        soonest = _NEVER
        for stage in self._stages:
            if (target := self._pick(stage, now)) is not None:
                self._stage = stage
                return self._ask(stage, target, now)
            for state in [self._traffic.state(target) for target in stage.left if target not in stage.asked]:
                wait = state.wait(now, self._traits)
                soonest = min(soonest, wait)
                if wait == _NEVER and state.is_in_use(now):
                    full.append(state)
        if left <= 0 or (soonest > left and not full):
            return None
        return Wait(max(min(soonest, left), _SHORTEST_SECONDS), full)


def _is_larger(target: Target, other: Target) -> bool:
    """Whether a target is known to read more than another one."""
    window, smaller = target.context_window, other.context_window
    return window is not None and smaller is not None and window > smaller


def _too_long() -> InvalidRequest:
    message = "This model's maximum context length is less than what the request holds. Shorten the messages."
    return InvalidRequest(message, param="messages", code="context_length_exceeded")
