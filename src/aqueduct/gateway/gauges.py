"""What the limits of a caller ask of one request, compiled once for each caller and model."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from aqueduct.counters.claims import MAX_LIMIT, Claim, Place, Window
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.principal import Principal
from aqueduct.domain.subject import EVERY_END_USER, SubjectType
from aqueduct.domain.usage import Units

_FINE = 1000
"""Limits with multipliers are counted in thousandths, so that a weight of 0.3 is not rounded to a whole request."""

_MAX_PLANS = 10_000
_END_USER_CHARACTERS = 200


class Estimate(NamedTuple):
    """What a request may use, guessed before the call; `is_guess` says that nobody asked for so much output."""

    input_tokens: int
    output_tokens: int
    is_guess: bool


class Gauge:
    """One limit, as it bears on one model."""

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

    def concerns(self, end_user: str | None) -> bool:
        """Whether the limit is for requests of this end user; most are for everybody's."""
        return self.end_user is None or (end_user is not None and self.end_user in (EVERY_END_USER, end_user))

    def claim(self, estimate: Estimate, end_user: str | None) -> Claim:
        """Return what a request claims of the limit before it is made."""
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

    def used(self, units: Units) -> int:
        """Return what a request has used of the limit, once it is over."""
        if self.dimension is Dimension.REQUESTS_PER_MINUTE:
            return self._scaled(1)
        if self.dimension is Dimension.INPUT_TOKENS_PER_MINUTE:
            return self._scaled(units.get("input_tokens", 0))
        if self.dimension is Dimension.OUTPUT_TOKENS_PER_MINUTE:
            return self._scaled(units.get("output_tokens", 0))
        return 0

    def shown(self, count: int) -> int:
        """Return a count as a person set it."""
        return count // self._fineness

    def _make_fixed(self, key: str) -> Claim | None:
        if self.dimension is Dimension.REQUESTS_PER_MINUTE:
            return Window(key, self._limit, self._scaled(1))
        if self.dimension is Dimension.CONCURRENT_REQUESTS:
            return Place(key, self.amount)
        return None

    def _scaled(self, amount: int) -> int:
        return amount if self._scale == 1 else min(math.ceil(amount * self._scale), MAX_LIMIT)


class Plans:
    """The gauges of callers and models that were seen lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[Principal, str], Sequence[Gauge]] = {}

    def gauges(self, principal: Principal, model: str) -> Sequence[Gauge]:
        """Return what applies to a caller's requests for a model."""
        found = self._known.get((principal, model))
        if found is None:
            if len(self._known) >= _MAX_PLANS:
                self._known.clear()
            found = [Gauge(limit, model) for limit in principal.limits if limit.applies_to(model)]
            self._known[principal, model] = found
        return found
