"""What the limits and budgets of a caller ask of one request, compiled once for each caller and model."""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from aqueduct.counters import claims
from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.counters.claims import MAX_LIMIT, Claim, Claims, Place, Window
from aqueduct.domain.budget import Budget
from aqueduct.domain.limit import Limit
from aqueduct.domain.measure import MEASURES
from aqueduct.domain.period import FOREVER, Span, budget_key, span_at
from aqueduct.domain.principal import Principal
from aqueduct.domain.subject import EVERY_END_USER, SubjectType
from aqueduct.domain.usage import UsageRecord
from aqueduct.gateway.forecast import Estimate
from aqueduct.gateway.limit_lines import LimitLines
from aqueduct.gateway.response_head import HeaderLines

_FINE = 1000
"""Limits with multipliers are counted in thousandths, so that a weight of 0.3 is not rounded to a whole request."""

Weights = tuple[float | None, ...]
"""How many times each limit of a caller counts what is used of a model; None for one that does not apply to it."""

_MAX_PLANS = 10_000
_END_USER_CHARACTERS = 200
_MAX_END_USERS = 1_000
"""For how many end users of one caller plans are kept; longer names than are counted apart are not."""


class Gauge(Protocol):
    """One limit or budget, as it bears on one model; `end_user` is set where it is for requests of some of them.

    `fixed` is what every request claims and has used in the end, where that is always the same, (1, 1) for instance:
    then `amount` and `used` are not asked for.
    """

    end_user: str | None
    fixed: tuple[int, int] | None

    def claim(self, at: float, end_user: str | None) -> Claim:
        """Return what requests of an instant claim; how much, `amount` says."""

    def amount(self, estimate: Estimate) -> int:
        """Return how much a request claims before it is made."""

    def used(self, record: UsageRecord) -> int:
        """Return what a request has used, once it is over."""


class LimitGauge:
    """A limit."""

    def __init__(self, limit: Limit, model: str) -> None:
        self._fineness = _FINE if limit.multipliers else 1
        self._scale = limit.multiplier(model) * self._fineness
        # With its fineness, for after a change of multipliers what was counted is not what is counted now.
        self._key = f"{limit.id}/{self._fineness}"
        self._limit = min(limit.amount * self._fineness, MAX_LIMIT)
        self.measure = measure = MEASURES[limit.dimension]
        self.limit = limit.amount
        self.shown = (self._limit, self._fineness, self.limit)
        """How much it allows as it is counted, how many of these make one as a person set it, and that."""
        # A guess must not shut out what may well fit.
        self.guessed_at_most = max(self._limit, 1) if measure.is_guessed else MAX_LIMIT
        self.end_user = limit.subject_id if limit.subject_type is SubjectType.END_USER else None
        self.fixed: tuple[int, int] | None = None
        self.plain_unit = measure.unit if self._scale == 1 else None
        """What it counts, if that is neither weighed nor always the same."""
        if measure.is_held:
            self._key = limit.id
            self.fixed = (1, 0)
        elif measure.unit is None:
            self.fixed = (self._scaled(1), self._scaled(1))

    def claim(self, at: float, end_user: str | None) -> Claim:
        """Return what requests of an instant claim."""
        key = self._key
        if self.end_user == EVERY_END_USER:
            key = f"{key}:{(end_user or '')[:_END_USER_CHARACTERS]}"
        if self.measure.is_held:
            return Place(key, self.limit)
        return Window(key, self._limit)

    def amount(self, estimate: Estimate) -> int:
        """Return how much a request claims before it is made."""
        unit = self.measure.unit
        amount = self._scaled(1 if unit is None else getattr(estimate, unit))
        return min(amount, self.guessed_at_most) if estimate.is_guess else amount

    def used(self, record: UsageRecord) -> int:
        """Return what a request has used, once it is over."""
        unit = self.measure.unit
        return self._scaled(1 if unit is None else record.units.get(unit, 0))

    def _scaled(self, amount: int) -> int:
        if self._scale != 1:
            amount = math.ceil(amount * self._scale)
        return min(MAX_LIMIT, amount)


class BudgetGauge:
    """A budget; only what is paid in its own currency counts."""

    end_user: str | None = None
    fixed: tuple[int, int] | None = None

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        # A guess must not shut out what may well fit.
        self.guessed_at_most = max(budget.amount_nano, 1)

    def claim(self, at: float, end_user: str | None) -> Claim:
        """Return what requests of an instant claim: money of the period that it is in."""
        return claims.Budget(self.key(at), self.budget.amount_nano, 0, self.budget.is_hard)

    def amount(self, estimate: Estimate) -> int:
        """Return how much a request claims before it is made."""
        amount = min(MAX_LIMIT, estimate.costs_nano.get(self.budget.currency, 0))
        return min(amount, self.guessed_at_most) if estimate.is_guess else amount

    def used(self, record: UsageRecord) -> int:
        """Return what a request has cost, once it is over."""
        return min(MAX_LIMIT, _paid(record, self.budget.currency))

    def key(self, at: float) -> str:
        """Return the name of the count for the period that an instant is in."""
        return budget_key(self.budget.id, self.span(at).begins_at)

    def span(self, at: float) -> Span:
        """Return that period."""
        return span_at(self.budget.period, self.budget.time_zone, at)


class Plan:
    """What applies to the requests of one caller for one model: gauges, and their claims, made once a period."""

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self.gauges = gauges
        self.for_end_users = frozenset(gauge.end_user for gauge in gauges if gauge.end_user is not None)
        self.budgets = [gauge for gauge in gauges if isinstance(gauge, BudgetGauge)]
        self._lines = LimitLines({kind: _shown(gauges, kind) for kind in (b"requests", b"tokens")})
        self._amounts = [0 if gauge.fixed is None else gauge.fixed[0] for gauge in gauges]
        self._used = [0 if gauge.fixed is None else gauge.fixed[1] for gauge in gauges]
        # What most plans are made of is not asked of each gauge for every request.
        self._inputs: list[int] = []
        self._outputs: list[tuple[int, int]] = []
        self._money: dict[str, list[tuple[int, int]]] = {}
        self._others: list[tuple[int, Gauge]] = []
        for at, gauge in enumerate(gauges):
            if isinstance(gauge, BudgetGauge):
                self._money.setdefault(gauge.budget.currency, []).append((at, gauge.guessed_at_most))
            elif isinstance(gauge, LimitGauge) and gauge.plain_unit == "input_tokens":
                self._inputs.append(at)
            elif isinstance(gauge, LimitGauge) and gauge.plain_unit == "output_tokens":
                self._outputs.append((at, gauge.guessed_at_most))
            elif gauge.fixed is None:
                self._others.append((at, gauge))
        self._of_end_users: dict[str | None, Plan] = {}
        self._of_requests: Plan | None = None
        self._claims: Sequence[Claim] = ()
        self._begins_at = self._ends_at = 0.0

    def claims(self, at: float, end_user: str | None) -> Sequence[Claim]:
        """Return the claims of a request that began at an instant."""
        if not self._begins_at <= at < self._ends_at:
            self._claims = Claims(gauge.claim(at, end_user) for gauge in self.gauges)
            spans = [Span(0.0, FOREVER), *(gauge.span(at) for gauge in self.budgets)]
            self._begins_at, self._ends_at = max(each.begins_at for each in spans), min(each.ends_at for each in spans)
        return self._claims

    def amounts(self, estimate: Estimate) -> list[int]:
        """Return how much a request claims of each before it is made."""
        amounts = self._amounts.copy()
        is_guess = estimate.is_guess
        for at in self._inputs:
            amounts[at] = estimate.input_tokens
        output_tokens = estimate.output_tokens
        for at, most in self._outputs:
            amounts[at] = most if is_guess and output_tokens > most else output_tokens
        for currency, budgets in self._money.items():
            nano = estimate.costs_nano.get(currency, 0)
            for at, most in budgets:
                amounts[at] = most if is_guess and nano > most else nano
        for at, gauge in self._others:
            amounts[at] = gauge.amount(estimate)
        return amounts

    def used(self, record: UsageRecord) -> list[int]:
        """Return how much a request has used of each, once it is over."""
        used = self._used.copy()
        units = record.units
        for at in self._inputs:
            used[at] = units.get("input_tokens", 0)
        for at, _ in self._outputs:
            used[at] = units.get("output_tokens", 0)
        for currency, budgets in self._money.items():
            paid = _paid(record, currency)
            for at, _ in budgets:
                used[at] = paid
        for at, gauge in self._others:
            used[at] = gauge.used(record)
        if used and max(used) > MAX_LIMIT:
            return [min(each, MAX_LIMIT) for each in used]
        return used

    def lines(self, answer: Reservation | Refusal) -> HeaderLines:
        """Return the `x-ratelimit` lines: of requests and of tokens, the tightest limit each."""
        used = answer.used
        # None while the counters are away.
        return self._lines.write(answer, used) if used else b""

    def of(self, end_user: str | None) -> "Plan":
        """Return the plan for the requests of one end user."""
        found = self._of_end_users.get(end_user)
        if found is None:
            allowed = {None, end_user} if end_user is None else {None, end_user, EVERY_END_USER}
            found = Plan([gauge for gauge in self.gauges if gauge.end_user in allowed])
            if len(end_user or "") <= _END_USER_CHARACTERS:
                if len(self._of_end_users) >= _MAX_END_USERS:
                    self._of_end_users.clear()
                self._of_end_users[end_user] = found
        return found

    def without_budgets(self) -> "Plan":
        """Return the plan for requests that are served although nobody knows what is left of budgets."""
        return Plan([gauge for gauge in self.gauges if not isinstance(gauge, BudgetGauge)])

    def of_requests(self) -> "Plan":
        """Return the plan for requests that use nothing beyond being one: no tokens, and no money."""
        if self._of_requests is None:
            self._of_requests = Plan(
                [gauge for gauge in self.gauges if isinstance(gauge, LimitGauge) and gauge.fixed is not None]
            )
        return self._of_requests


class Plans:
    """The plans of callers and models that were seen lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[Principal, str | Weights], Plan] = {}

    def find(self, principal: Principal, model: str, end_user: str | None, *, is_named: bool = True) -> Plan:
        """Return what applies to a caller's request for a model, made for an end user.

        `is_named` says that the model is one of ours: of a name that the client made up only is kept how limits weigh
        it, for there may be many, and long ones.
        """
        key = (principal, model if is_named else _weigh(principal, model))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MAX_PLANS:
                self._known.clear()
            found = self._known[key] = Plan(list(_compile(principal, model)))
        return found.of(end_user) if found.for_end_users else found


def _paid(record: UsageRecord, currency: str) -> int:
    """Return what all attempts of a request cost together in a currency."""
    attempts = record.attempts
    if len(attempts) == 1:
        (only,) = attempts
        return only.cost_nano or 0 if only.currency == currency else 0
    return sum(each.cost_nano or 0 for each in attempts if each.currency == currency)


def _shown(gauges: Sequence[Gauge], kind: bytes) -> list[tuple[int, int, int, int]]:
    """Return the limits that a client is told of under one kind, with their places."""
    limits = [(at, gauge) for at, gauge in enumerate(gauges) if isinstance(gauge, LimitGauge)]
    return [(at, *gauge.shown) for at, gauge in limits if gauge.measure.kind == kind]


def _weigh(principal: Principal, model: str) -> Weights:
    return tuple(limit.multiplier(model) if limit.applies_to(model) else None for limit in principal.limits)


def _compile(principal: Principal, model: str) -> Iterable[Gauge]:
    for limit in principal.limits:
        if limit.applies_to(model):
            yield LimitGauge(limit, model)
    for budget in principal.budgets:
        yield BudgetGauge(budget)
