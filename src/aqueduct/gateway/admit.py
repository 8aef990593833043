"""Admits requests: reserves what they may use of every limit and budget, in one step, and settles it to the truth."""

from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from aqueduct.counters.answers import Answer, Refusal, Reservation, Unseeded
from aqueduct.counters.claims import Claim
from aqueduct.counters.contract import Counters
from aqueduct.domain.budget import Budget
from aqueduct.domain.model import Model
from aqueduct.domain.money import written
from aqueduct.domain.period import FOREVER
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.domain.usage import UsageRecord
from aqueduct.errors import CountersUnavailable, InsufficientQuota, RateLimitExceeded, RequestError
from aqueduct.gateway.account import Entry
from aqueduct.gateway.forecast import Estimate, Forecast, counted_name
from aqueduct.gateway.gauges import BudgetGauge, LimitGauge, Plan, Plans
from aqueduct.wire.request import Request

_SEEDINGS = 3


class Spending(Protocol):
    """What was spent before the counters began to count."""

    async def spent(self, budget: Budget, begins_at: float) -> int:
        """Return the sum in nano-units since an instant; raise `CountersUnavailable` while it cannot be known."""


class Admission(msgspec.Struct, gc=False):
    """What one request holds of its caller's limits and budgets until it is settled."""

    limiter: "Limiter"
    model: str
    plan: Plan
    reservation: Reservation

    def settle(self, record: UsageRecord) -> None:
        """Replace the estimate by what was used, and give places back; once."""
        self.limiter.forecast.learn(self.model, record)
        self.limiter.counters.settle(self.reservation, self.plan.used(record))

    def give_back(self) -> None:
        """Settle to nothing: the request is nowhere recorded, and was not answered."""
        self.limiter.counters.release(self.reservation)


class Limiter:
    """Reserves for requests; `queue_seconds` is how long one may wait for a place under a limit on concurrency."""

    def __init__(
        self,
        counters: Counters,
        spending: Spending,
        forecast: Forecast,
        *,
        queue_seconds: float,
        are_budgets_open: bool,
    ) -> None:
        self.counters = counters
        self.forecast = forecast
        self._spending = spending
        self._queue_seconds = queue_seconds
        self._are_budgets_open = are_budgets_open
        self._plans = Plans()

    async def admit(self, entry: Entry, request: Request, model: Model, snapshot: Snapshot, body_bytes: int) -> None:
        """Reserve for the entry; raise `RateLimitExceeded`, `InsufficientQuota` or `CountersUnavailable`."""
        counted, is_named = counted_name(request, model), model.name != WILDCARD
        end_user = request.end_user
        plan = self._plans.find(entry.principal, counted, end_user, is_named=is_named)
        if not plan.gauges:
            # Nothing to ask, and nothing that could fail.
            entry.admission = Admission(self, counted, plan, Reservation(()))
            return
        at = entry.call.started_at
        estimate = self.forecast.estimate(request, model, body_bytes, at, snapshot if plan.budgets else None)
        claims, amounts = plan.claims(at, end_user), plan.amounts(estimate)
        answer: Answer = self.counters.reserve_at_once(claims, amounts) or await self._reserve(claims, amounts, entry)
        if type(answer) is Unseeded:
            plan, answer = await self._reserve_unseeded(plan, answer, estimate, entry, end_user)
        entry.call.limit_lines = plan.lines(answer)
        if type(answer) is Refusal:
            raise _refusal(plan, plan.claims(at, end_user), answer, at)
        entry.admission = Admission(self, counted, plan, answer)

    async def admit_free(self, entry: Entry, request: Request, model: Model) -> None:
        """Reserve for a request that will use nothing, since the cache answers it: it counts as one.

        It is served though a budget be overspent, or a limit on tokens used up. Raises `RateLimitExceeded` or
        `CountersUnavailable`.
        """
        counted, is_named = counted_name(request, model), model.name != WILDCARD
        plan = self._plans.find(entry.principal, counted, request.end_user, is_named=is_named).of_requests()
        if not plan.gauges:
            entry.admission = Admission(self, counted, plan, Reservation(()))
            return
        at = entry.call.started_at
        estimate = Estimate(at, 0, 0, is_guess=False, costs_nano={})
        claims = plan.claims(at, request.end_user)
        answer = await self._reserve(claims, plan.amounts(estimate), entry)
        if type(answer) is Unseeded:
            raise TypeError("a plan without budgets has nothing to be seeded")
        entry.call.limit_lines = plan.lines(answer)
        if type(answer) is Refusal:
            raise _refusal(plan, claims, answer, at)
        entry.admission = Admission(self, counted, plan, answer)

    def _reserve(self, claims: Sequence[Claim], amounts: Sequence[int], entry: Entry) -> Coroutine[Any, Any, Answer]:
        # Named as the request is in the journal: what a gateway that died did not settle is found out by it.
        return self.counters.reserve(claims, amounts, name=entry.call.id, wait_seconds=self._queue_seconds)

    async def _reserve_unseeded(
        self, plan: Plan, answer: Unseeded, estimate: Estimate, entry: Entry, end_user: str | None
    ) -> tuple[Plan, Reservation | Refusal]:
        """Seed budgets that the counters do not know, and reserve.

        Returns the plan that it was done by too: one without budgets, where nobody can tell what is left of them and
        that stops nothing.
        """
        for _ in range(_SEEDINGS):
            try:
                await self._seed(plan, answer.keys, estimate.at)
            except CountersUnavailable:
                if not self._are_budgets_open:
                    raise
                plan = plan.without_budgets()
            after = await self._reserve(plan.claims(estimate.at, end_user), plan.amounts(estimate), entry)
            if type(after) is not Unseeded:
                return plan, after
            answer = after
        raise CountersUnavailable("What is left of a budget cannot be told at the moment. Try again shortly.")

    async def _seed(self, plan: Plan, keys: Sequence[str], at: float) -> None:
        """Tell the counters what was spent of budgets that they do not know."""
        for gauge in plan.budgets:
            if gauge.key(at) in keys:
                spent = await self._spending.spent(gauge.budget, gauge.span(at).begins_at)
                await self.counters.seed(gauge.key(at), spent)


def _over_budget(gauge: BudgetGauge, at: float) -> InsufficientQuota:
    """Return the error for a budget that what the request may cost does not fit in any more."""
    budget, ends_at = gauge.budget, gauge.span(at).ends_at
    whose = f"{budget.subject_type.replace('_', ' ')}'s budget of {written(budget.amount_nano)} {budget.currency}"
    error = InsufficientQuota(
        f"What this request may cost does not fit in what is left of the {whose} in total."
        if ends_at == FOREVER
        else f"What this request may cost does not fit in what is left of the {whose} a {budget.period}. "
        f"The next {budget.period} begins at {datetime.fromtimestamp(ends_at, UTC):%Y-%m-%d %H:%M} UTC."
    )
    error.retry_after_seconds = None if ends_at == FOREVER else max(0.0, ends_at - at)
    return error


def _refusal(plan: Plan, claims: Sequence[Claim], refusal: Refusal, at: float) -> RequestError:
    """Return the error for what takes longest to have room again; a budget before all else."""
    refused = {id(each.claim): each.wait_seconds for each in refusal.refused}
    waits: list[tuple[float | None, LimitGauge]] = []
    for gauge, claim in zip(plan.gauges, claims, strict=True):
        if id(claim) not in refused:
            continue
        if isinstance(gauge, BudgetGauge):
            return _over_budget(gauge, at)
        if not isinstance(gauge, LimitGauge):
            raise TypeError(gauge)
        waits.append((refused[id(claim)], gauge))
    wait, gauge = max(waits, key=lambda each: float("inf") if each[0] is None else each[0])
    what = f"{gauge.limit} {gauge.measure.words}"
    error = RateLimitExceeded(
        f"This request alone is over the limit of {what}. Ask for less."
        if wait is None
        else f"The limit of {what} is used up. Try again in {wait:.3g} s."
    )
    error.type = gauge.measure.error_type
    error.retry_after_seconds = wait
    error.should_retry = False if wait is None else None
    return error
