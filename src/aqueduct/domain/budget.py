"""Budgets: how much money a subject may spend in a period."""

import enum
from decimal import Decimal

from aqueduct.domain.money import from_nano
from aqueduct.domain.subject import Subjected


class Period(enum.StrEnum):
    """What a budget is for; calendar aligned in the budget's time zone, a week from Monday on."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Budget(Subjected, frozen=True, kw_only=True):
    """An amount of money for each period.

    A hard budget refuses requests when it is used up, a soft one only tells. `alert_thresholds` are in per cent of the
    amount, ascending. `time_zone` is a name of the IANA's.
    """

    amount_nano: int
    currency: str = "USD"
    period: Period
    time_zone: str = "UTC"
    is_hard: bool = True
    alert_thresholds: tuple[int, ...] = ()

    @property
    def amount(self) -> Decimal:
        """The amount, exactly, in units of the currency."""
        return from_nano(self.amount_nano)


class SpentBudget(Budget, frozen=True, kw_only=True):
    """A budget with what has been spent of it in its present period, which began at an instant."""

    spent_nano: int
    period_began_at: float

    @property
    def spent(self) -> Decimal:
        """What was spent, exactly, in units of the currency."""
        return from_nano(self.spent_nano)
