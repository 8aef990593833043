"""Turns what a file says of routing into the domain's words, or points at the line that is wrong."""

from collections.abc import Sequence

from aqueduct.config.choices import likely
from aqueduct.config.load import Source
from aqueduct.config.schema import BreakerNode, ModelNode, TargetLimitsNode
from aqueduct.domain.model import Model
from aqueduct.domain.routing import BreakerRules, FallbackKind, Hedge, Routing, TargetLimits
from aqueduct.domain.snapshot import Snapshot


def compile_breaker(node: BreakerNode | bool) -> BreakerRules:
    """Compile when a provider's targets are taken out of use."""
    if isinstance(node, bool):
        return BreakerRules(is_enabled=node)
    return BreakerRules(failures=node.failures, error_rate=node.error_rate, cooling_seconds=node.cooling)


def compile_limits(node: TargetLimitsNode | None) -> TargetLimits | None:
    """Compile what a provider allows us; None where that is not said."""
    if node is None:
        return None
    limits = TargetLimits(
        requests_per_minute=node.requests_per_minute,
        tokens_per_minute=node.tokens_per_minute,
        concurrency=node.concurrency,
    )
    return None if limits == TargetLimits() else limits


def compile_routing(node: ModelNode) -> Routing:
    """Compile how a model's requests find their target, but for what steers them (`compile_steering`)."""
    hedge = None
    if node.hedge is not None:
        hedge = Hedge(after_seconds=None if node.hedge.after == "p95" else node.hedge.after)
    return Routing(
        strategy=node.strategy,
        sticky=node.sticky,
        fallbacks=tuple(node.fallbacks),
        context_overflow_fallbacks=tuple(node.context_overflow_fallbacks),
        content_policy_fallbacks=tuple(node.content_policy_fallbacks),
        deadline_seconds=node.deadline,
        queue_seconds=node.queue,
        hedge=hedge,
        extra_load=node.retries.extra_load,
        retry_reserve=float(node.retries.reserve),
    )


def check_fallbacks(models: Sequence[Model], snapshot: Snapshot, source: Source) -> None:
    """Raise `ConfigurationError` where a fallback is no model, or leads back to where it came from."""
    for index, model in enumerate(models):
        for kind in FallbackKind:
            for number, name in enumerate(model.routing.fallbacks_of(kind)):
                path = f"$.models[{index}].{kind.value}[{number}]"
                if (fallback := snapshot.find(name)) is None:
                    meant = likely(name, [each.name for each in models])
                    hint = f" (did you mean '{meant}'?)" if meant else ""
                    raise source.error(path, f"the fallback '{name}' is not a model of this file{hint}")
                if _leads_to(fallback, model, kind, snapshot, set()):
                    raise source.error(path, f"the fallback '{name}' leads back to '{model.name}'")


def _leads_to(start: Model, end: Model, kind: FallbackKind, snapshot: Snapshot, seen: set[str]) -> bool:
    if start.name == end.name:
        return True
    if start.name in seen:
        return False
    seen.add(start.name)
    others = map(snapshot.find, start.routing.fallbacks_of(kind))
    return any(_leads_to(other, end, kind, snapshot, seen) for other in others if other is not None)
