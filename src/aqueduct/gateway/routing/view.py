"""The state of every target, for those who look at it: administrators, metrics, events."""

import time
from collections.abc import Callable, Iterator

import msgspec

from aqueduct.domain.event import Emit, Event, target_down_event, target_up_event
from aqueduct.domain.health import TargetHealth
from aqueduct.domain.model import Model, Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.steering_words import Route, list_routes
from aqueduct.errors import UpstreamError
from aqueduct.gateway.routing.breaker import BreakerState
from aqueduct.gateway.routing.health_log import HealthLog
from aqueduct.gateway.routing.latency import Latency
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.gateway.routing.traffic import TargetState, Traffic
from aqueduct.telemetry.metrics import TARGET_STATE, TARGETS_OPENED


def list_health(snapshot: Snapshot, traffic: Traffic) -> Iterator[TargetHealth]:
    """Yield every target that is served once, in the order of the config."""
    states: dict[str, TargetState] = {}
    models: dict[str, list[str]] = {}
    routes: dict[str, list[str]] = {}
    for model in snapshot.models:
        for route in list_routes(model):
            for target in _destinations(route, model, snapshot):
                routes.setdefault(traffic.state(target).id, []).append(f"{model.name}: {route.requests}")
        for target in model.targets:
            state = traffic.state(target)
            states[state.id] = state
            models.setdefault(state.id, []).append(model.name)
    now, shift = traffic.now(), time.time() - traffic.now()
    for identity, state in states.items():
        shown = _health(state, tuple(models[identity]), now, shift)
        yield msgspec.structs.replace(shown, routes=tuple(routes.get(identity, ())))


def _destinations(route: Route, model: Model, snapshot: Snapshot) -> Iterator[Target]:
    """Yield the targets that a route gets to first."""
    if route.model is None:
        yield from (each for each in model.targets if not {each.label, each.name}.isdisjoint(route.labels))
    elif (other := snapshot.find(route.model)) is not None:
        yield from other.targets


def _health(state: TargetState, models: tuple[str, ...], now: float, shift: float) -> TargetHealth:
    breaker, provider = state.breaker, state.target.provider
    shown = breaker.state(now)
    is_closed = shown is BreakerState.CLOSED
    return TargetHealth(
        target=state.target.name,
        provider=provider.name,
        key=provider.key_number,
        models=models,
        state=shown.value,
        reason=None if is_closed else breaker.reason.value,
        open_until=None if is_closed else breaker.open_until + shift,
        in_flight=state.in_flight,
        attempts=state.requests,
        failures=state.failures,
        first_content_median_ms=_milliseconds(state.first_content, 0.5),
        first_content_p95_ms=_milliseconds(state.first_content, 0.95),
        answer_median_ms=_milliseconds(state.whole, 0.5),
        answer_p95_ms=_milliseconds(state.whole, 0.95),
    )


def _milliseconds(latency: Latency, share: float) -> float | None:
    seconds = latency.percentile(share)
    return None if seconds is None else round(seconds * 1000, 1)


def down_event(target: Target, code: str) -> Event:
    """Return the event of a target that is down from now on."""
    provider = target.provider
    return target_down_event(
        target.name, provider.name, target.model, key=provider.key_number, code=code, now=time.time()
    )


class StateTeller:
    """Hears of targets that are taken out of use, or back."""

    def __init__(self, emit: Emit, now: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._log = HealthLog(now)
        self._down: dict[str, Event] = {}

    def __call__(self, state: TargetState, error: UpstreamError | None) -> None:
        """Keep the metrics and the log, and tell; a provider's limit is no event."""
        self.show(state)
        breaker = state.breaker
        if error is None or breaker.is_closed:
            self._log.closed(state)
            if (down := self._down.pop(state.id, None)) is not None:
                self._emit(target_up_event(down, now=time.time()))
            return
        TARGETS_OPENED.labels(error.code).inc()
        self._log.opened(state, error.code)
        if breaker.reason is not Symptom.RATE_LIMIT:
            down = self._down[state.id] = down_event(state.target, error.code)
            self._emit(down)

    def learn(self, state: TargetState) -> None:
        """Take note of what another gateway has found out and told: it is told once, but here it may be seen to end."""
        self.show(state)
        if state.breaker.is_closed:
            self._log.closed(state)
            self._down.pop(state.id, None)
            return
        self._log.opened(state)
        if state.breaker.reason is not Symptom.RATE_LIMIT:
            self._down[state.id] = down_event(state.target, state.breaker.reason.value)

    def show(self, state: TargetState) -> None:
        """Keep the metric of one target."""
        breaker = state.breaker
        gauge = TARGET_STATE.labels(state.target.name, str(state.target.provider.key_number))
        gauge.set(not breaker.is_closed and breaker.reason is not Symptom.RATE_LIMIT)
