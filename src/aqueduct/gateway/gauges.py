"""What the limits and budgets of a caller ask of one request, compiled once for each caller and model."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from aqueduct.counters import claims
from aqueduct.counters.claims import MAX_LIMIT, Claim, Place, Window
from aqueduct.domain.budget import Budget
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.period import Span, span_at
from aqueduct.domain.price import Cost
from aqueduct.domain.principal import Principal
from aqueduct.domain.subject import EVERY_END_USER, SubjectType
from aqueduct.domain.usage import UsageRecord

_FINE = 1000
"""Limits with multipliers are counted in thousandths, so that a weight of 0.3 is not rounded to a whole request."""

_MAX_PLANS = 10_000
_END_USER_CHARACTERS = 200


class Estimate(NamedTuple):
    """What a request may use, guessed before the call at an instant; `is_guess`: nobody asked for so much output."""

    at: float
    input_tokens: int
    output_tokens: int
    is_guess: bool
    cost: Cost | None


class Gauge(Protocol):
    """One limit or budget, as it bears on one model; `end_user` is set where it is for requests of some of them."""

    end_user: str | None

    def claim(self, estimate: Estimate, end_user: str | None) -> Claim:
        """Return what a request claims before it is made."""

    def used(self, record: UsageRecord) -> int:
        """Return what a request has used, once it is over."""


class LimitGauge:
    """A limit."""

    def __init__(self, limit: Limit, model: str) -> None:
        fineness = _FINE if limit.multipliers else 1
        self.dimension = limit.dimension
        self.amount = limit.amount
        self.end_user = limit.subject_id if limit.subject_type is SubjectType.END_USER else None
        self._key = limit.id
        self._limit = min(limit.amount * fineness, MAX_LIMIT)
        self._scale = limit.multiplier(model) * fineness
        self._fineness = fineness
        self._fixed = None if self.end_user == EVERY_END_USER else self._make_fixed(self._key)

    def claim(self, estimate: Estimate, end_user: str | None) -> Claim:
        """Return what a request claims before it is made."""
        if self._fixed is not None:
            return self._fixed
        key = self._key
        if self.end_user == EVERY_END_USER:
            key = f"{key}:{(end_user or '')[:_END_USER_CHARACTERS]}"
            if (fixed := self._make_fixed(key)) is not None:
                return fixed
        if self.dimension is Dimension.INPUT_TOKENS_PER_MINUTE:
            return Window(key, self._limit, self._scaled(estimate.input_tokens))
        amount = self._scaled(estimate.output_tokens)
        # A guess must not shut out what may well fit.
        return Window(key, self._limit, min(amount, self._limit) if estimate.is_guess else amount)

    def used(self, record: UsageRecord) -> int:
        """Return what a request has used, once it is over."""
        match self.dimension:
            case Dimension.REQUESTS_PER_MINUTE:
                return self._scaled(1)
            case Dimension.INPUT_TOKENS_PER_MINUTE:
                return self._scaled(record.units.get("input_tokens", 0))
            case Dimension.OUTPUT_TOKENS_PER_MINUTE:
                return self._scaled(record.units.get("output_tokens", 0))
            case Dimension.CONCURRENT_REQUESTS:
                return 0

    def shown(self, count: int) -> int:
        """Return a count as a person set it."""
        return count // self._fineness

    def _make_fixed(self, key: str) -> Claim | None:
        """Return the claim that is the same for every request, if it is."""
        if self.dimension is Dimension.REQUESTS_PER_MINUTE:
            return Window(key, self._limit, self._scaled(1))
        if self.dimension is Dimension.CONCURRENT_REQUESTS:
            return Place(key, self.amount)
        return None

    def _scaled(self, amount: int) -> int:
        return amount if self._scale == 1 else min(math.ceil(amount * self._scale), MAX_LIMIT)


class BudgetGauge:
    """A budget; only what is paid in its own currency counts."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.end_user: str | None = None
        self._span = Span(0.0, 0.0)
        self._key = ""

    def claim(self, estimate: Estimate, end_user: str | None) -> Claim:
        """Return what a request claims before it is made."""
        budget, cost = self.budget, estimate.cost
        amount = cost.nano if cost is not None and cost.currency == budget.currency else 0
        return claims.Budget(self.key(estimate.at), budget.amount_nano, min(amount, MAX_LIMIT), budget.is_hard)

    def used(self, record: UsageRecord) -> int:
        """Return what a request has cost, once it is over."""
        paid = (each.cost_nano for each in record.attempts if each.currency == self.budget.currency)
        return min(sum(nano for nano in paid if nano is not None), MAX_LIMIT)

    def key(self, at: float) -> str:
        """Return the name of the count for the period that an instant is in."""
        if not self._span.begins_at <= at < self._span.ends_at:
            self._span = span_at(self.budget.period, self.budget.time_zone, at)
            self._key = f"{self.budget.id}:{int(self._span.begins_at)}"
        return self._key

    def span(self, at: float) -> Span:
        """Return that period."""
        self.key(at)
        return self._span


class Plans:
    """The gauges of callers and models that were seen lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[Principal, str], Sequence[Gauge]] = {}

    def gauges(self, principal: Principal, model: str, end_user: str | None) -> Sequence[Gauge]:
        """Return what applies to a caller's request for a model, made for an end user."""
        found = self._known.get((principal, model))
        if found is None:
            if len(self._known) >= _MAX_PLANS:
                self._known.clear()
            found = self._known[principal, model] = list(_compile(principal, model))
        if any(gauge.end_user is not None for gauge in found):
            allowed = {None, end_user} if end_user is None else {None, end_user, EVERY_END_USER}
            return [gauge for gauge in found if gauge.end_user in allowed]
        return found


def _compile(principal: Principal, model: str) -> Iterable[Gauge]:
    for limit in principal.limits:
        if limit.applies_to(model):
            yield LimitGauge(limit, model)
    for budget in principal.budgets:
        yield BudgetGauge(budget)
