"""Counts what becomes of simulated requests, while it happens."""

from array import array
from collections import Counter
from collections.abc import Sequence

import msgspec

from aqueduct.domain.usage import UsageRecord
from aqueduct.errors import UpstreamError
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.gateway.routing.traffic import TargetState


class TargetTally:
    """What one target was asked, with all its keys."""

    def __init__(self) -> None:
        self.attempts = 0
        self.answered = 0
        self.errors: Counter[str] = Counter()
        self.openings = 0
        self.most_in_flight = 0
        self.in_flight = 0
        self.cost_nano: Counter[str] = Counter()


class ModelTally:
    """What became of the requests for one model."""

    def __init__(self) -> None:
        self.requests = 0
        self.answered = 0


class Tally:
    """What became of all requests; durations are in seconds."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.latencies = array("d")
        self.first_contents = array("d")
        self.extra_attempts = 0
        self.hedges = 0
        self.cost_nano: Counter[str] = Counter()
        self.unpriced = 0
        self.models: dict[str, ModelTally] = {}
        self.targets: dict[str, TargetTally] = {}

    def target(self, name: str) -> TargetTally:
        """Return what is known of a target."""
        found = self.targets.get(name)
        if found is None:
            found = self.targets[name] = TargetTally()
        return found

    def model(self, name: str) -> ModelTally:
        """Return what is known of a model."""
        found = self.models.get(name)
        if found is None:
            found = self.models[name] = ModelTally()
        return found

    def take_answer(self, model: str, latency_seconds: float, first_content_seconds: float | None) -> None:
        """A request was answered whole; `first_content_seconds` is given for streams."""
        known = self.model(model)
        known.requests += 1
        known.answered += 1
        self.latencies.append(latency_seconds)
        if first_content_seconds is not None:
            self.first_contents.append(first_content_seconds)

    def take_failure(self, model: str, code: str) -> None:
        """A request got an error, or an answer that broke off."""
        self.model(model).requests += 1
        self.errors[code] += 1

    def take_usage(self, record: UsageRecord) -> None:
        """Add what a request's attempts were, used and cost."""
        if record.cost_nano is not None and record.currency is not None:
            self.cost_nano[record.currency] += record.cost_nano
        self.unpriced += any(attempt.units and attempt.cost_nano is None for attempt in record.attempts)
        self.extra_attempts += max(len(record.attempts) - 1, 0)
        for attempt in record.attempts:
            target = self.target(attempt.target)
            if attempt.error is not None:
                target.errors[attempt.error] += 1
            if attempt.cost_nano is not None and attempt.currency is not None:
                target.cost_nano[attempt.currency] += attempt.cost_nano

    def hear(self, state: TargetState, error: UpstreamError | None) -> None:
        """A target was taken out of use, or is back; a provider's limit is neither."""
        if error is not None and state.breaker.reason is not Symptom.RATE_LIMIT:
            self.target(state.target.name).openings += 1


class Percentiles(msgspec.Struct, frozen=True):
    """How long something took, in seconds; None where nothing did."""

    p50: float | None
    p95: float | None
    p99: float | None


def percentiles(durations: Sequence[float]) -> Percentiles:
    """Return the percentiles of durations, to the millisecond (nearest rank)."""
    ordered = sorted(durations)

    def at(share: float) -> float | None:
        if not ordered:
            return None
        return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3)

    return Percentiles(at(0.5), at(0.95), at(0.99))
