"""The order in which the targets of one priority are tried."""

from collections.abc import Callable, Sequence
from random import Random

from aqueduct.domain.model import Model, Target
from aqueduct.domain.price import cost
from aqueduct.domain.routing import Strategy
from aqueduct.gateway.routing.rendezvous import rank
from aqueduct.gateway.routing.traffic import TargetState, Traffic
from aqueduct.gateway.routing.traits import Traits

States = Sequence[TargetState]
Order = Callable[[States, Traits, float, Random], States]


def order_targets(model: Model, traits: Traits, traffic: Traffic) -> Sequence[Target]:
    """Return the model's targets, one priority after the other, each ordered by the model's strategy."""
    routing = model.routing
    key = None if routing.sticky is None else traits.sticky_key(routing.sticky)
    if len(model.targets) == 1 or (key is None and routing.strategy is Strategy.PRIORITY):
        return model.targets
    order = _ORDERS[routing.strategy]
    now = traffic.now()
    ordered: list[Target] = []
    for level in levels(model.targets):
        states = [traffic.state(target) for target in level]
        if len(states) > 1:
            states = list(order(states, traits, now, traffic.rng) if key is None else rank(key, states))
        # The state may be shared by targets of several models: what is asked is this model's own.
        own = {traffic.state(target).id: target for target in level}
        ordered += [own[state.id] for state in states]
    return ordered


def levels(targets: Sequence[Target]) -> list[list[Target]]:
    """Part targets, sorted by priority, into those of the same priority."""
    parted: list[list[Target]] = []
    for target in targets:
        if not parted or parted[-1][0].priority != target.priority:
            parted.append([])
        parted[-1].append(target)
    return parted


def _by_priority(states: States, traits: Traits, now: float, rng: Random) -> States:
    return states


def _by_weight(states: States, traits: Traits, now: float, rng: Random) -> States:
    """Draw without putting back: each place goes to a target with its weight's chance (Efraimidis and Spirakis)."""
    return sorted(states, key=lambda state: rng.random() ** (1 / state.target.weight), reverse=True)


def _by_load(states: States, traits: Traits, now: float, rng: Random) -> States:
    """Of two drawn, the less busy one comes first: nearly as even as asking all, and nobody is overrun."""

    def busyness(state: TargetState) -> float:
        recent = state.latency(is_stream=traits.is_stream).recent(now)
        # One of which nothing is known counts as fast, but what it already has in flight counts too.
        return (state.in_flight + 1) * (recent or 0.001) / state.target.weight

    first, second = rng.sample(range(len(states)), 2)
    if busyness(states[second]) < busyness(states[first]):
        first = second
    chosen = states[first]
    return [chosen, *sorted((state for state in states if state is not chosen), key=busyness)]


def _by_cost(states: States, traits: Traits, now: float, rng: Random) -> States:
    """The cheapest for a request of this size first; what has no price, or one in another currency, last."""
    input_tokens, output_tokens = traits.size
    units = {"input_tokens": max(input_tokens, 1), "output_tokens": max(output_tokens, 1)}
    costs = [cost(units, state.target.prices, traits.at) for state in states]
    currency = next((each.currency for each in costs if each is not None), "")
    keys = [float("inf") if each is None or each.currency != currency else float(each.nano) for each in costs]
    return [states[index] for index in sorted(range(len(states)), key=keys.__getitem__)]


def _by_latency(states: States, traits: Traits, now: float, rng: Random) -> States:
    """The fastest of late first; one of which nothing is known is tried by one request at a time."""

    def pace(state: TargetState) -> float:
        recent = state.latency(is_stream=traits.is_stream).recent(now)
        if recent is None:
            return float("inf") if state.in_flight else 0.0
        return recent

    return sorted(states, key=pace)


_ORDERS: dict[Strategy, Order] = {
    Strategy.PRIORITY: _by_priority,
    Strategy.WEIGHTED: _by_weight,
    Strategy.LEAST_BUSY: _by_load,
    Strategy.LOWEST_COST: _by_cost,
    Strategy.LOWEST_LATENCY: _by_latency,
}
