"""What a simulation has found: what programs read, and whether it is what was expected."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from aqueduct.domain.money import written
from aqueduct.simulation.scenario import ExpectNode, Scenario
from aqueduct.simulation.tally import Percentiles, Tally, TargetTally, percentiles

Costs = dict[str, str]
"""Amounts of money by their currencies, as decimal numbers."""


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests for one model."""

    requests: int
    answered: int
    success_rate: float


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one target was asked; `share` is of all attempts that were answered."""

    attempts: int
    answered: int
    share: float
    errors: dict[str, int]
    breaker_openings: int
    most_in_flight: int
    cost: Costs


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was expected, and is not so; `found` is None where there was nothing to measure."""

    measure: str
    expected: float
    found: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; durations are in seconds. `extra_load` is how many attempts a request had beyond its first."""

    seed: int
    duration_seconds: float
    requests: int
    answered: int
    success_rate: float
    errors: dict[str, int]
    latency_seconds: Percentiles
    first_token_seconds: Percentiles
    retries: int
    hedges: int
    extra_load: float
    breaker_openings: int
    cost: Costs
    requests_without_price: int
    models: dict[str, ModelReport]
    targets: dict[str, TargetReport]
    failing: list[Failing]

    @property
    def is_as_expected(self) -> bool:
        """Whether the scenario succeeded."""
        return not self.failing


def report_of(scenario: Scenario, tally: Tally) -> Report:
    """Sum up."""
    requests = sum(each.requests for each in tally.models.values())
    answered = sum(each.answered for each in tally.models.values())
    report = Report(
        seed=scenario.seed,
        duration_seconds=scenario.duration,
        requests=requests,
        answered=answered,
        success_rate=_share(answered, requests, of_none=1.0),
        errors=dict(tally.errors.most_common()),
        latency_seconds=percentiles(tally.latencies),
        first_token_seconds=percentiles(tally.first_contents),
        retries=tally.extra_attempts - tally.hedges,
        hedges=tally.hedges,
        extra_load=_share(tally.extra_attempts, requests),
        breaker_openings=sum(each.openings for each in tally.targets.values()),
        cost=_costs(tally.cost_nano),
        requests_without_price=tally.unpriced,
        models={
            name: ModelReport(
                requests=each.requests,
                answered=each.answered,
                success_rate=_share(each.answered, each.requests, of_none=1.0),
            )
            for name, each in sorted(tally.models.items())
        },
        targets={name: _target(each, tally) for name, each in sorted(tally.targets.items())},
        failing=[],
    )
    return msgspec.structs.replace(report, failing=_failing(scenario.expect, report))


def _target(target: TargetTally, tally: Tally) -> TargetReport:
    answered = sum(each.answered for each in tally.targets.values())
    return TargetReport(
        attempts=target.attempts,
        answered=target.answered,
        share=_share(target.answered, answered),
        errors=dict(target.errors.most_common()),
        breaker_openings=target.openings,
        most_in_flight=target.most_in_flight,
        cost=_costs(target.cost_nano),
    )


def _failing(expect: ExpectNode, report: Report) -> list[Failing]:
    """Return what was expected and did not come true."""
    failing: list[Failing] = []
    for measure in ExpectNode.__struct_fields__:
        expected: float | None = getattr(expect, measure)
        if expected is None:
            continue
        found = _measured(measure, report)
        is_met = found is not None and (found >= expected if measure == "success_rate" else found <= expected)
        if not is_met:
            failing.append(Failing(measure=measure, expected=expected, found=found))
    return failing


def _measured(measure: str, report: Report) -> float | None:
    if measure.startswith(("latency_", "first_token_")):
        name, _, percentile = measure.rpartition("_")
        found: float | None = getattr(getattr(report, f"{name}_seconds"), percentile)
        return found
    if measure == "cost":
        # What costs in several currencies is not one amount, and meets no bound.
        amounts = [Decimal(amount) for amount in report.cost.values()]
        return float(amounts[0]) if len(amounts) == 1 else (None if amounts else 0.0)
    value: float = getattr(report, measure)
    return value


def _costs(nano: Mapping[str, int]) -> Costs:
    return {currency: written(amount) for currency, amount in sorted(nano.items()) if amount}


def _share(part: int, whole: int, of_none: float = 0.0) -> float:
    return round(part / whole, 6) if whole else of_none
