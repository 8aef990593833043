"""Budgets: how much money a subject may spend in a period."""

import enum
from decimal import Decimal

from aqueduct.domain.subject import Subjected

NANO = 1_000_000_000
"""How many of the units that counters and tables hold make one unit of a currency."""

MAX_AMOUNT = Decimal(1_000_000_000)
"""What fits, with room for a sum, into an integer of 64 bits of nano-units."""


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
        return Decimal(self.amount_nano).scaleb(-9)


def to_nano(amount: Decimal) -> int:
    """Return an amount in nano-units; raises `ValueError` where that is no whole number or too large."""
    if not amount.is_finite() or not abs(amount) <= MAX_AMOUNT:
        raise ValueError("the amount is too large")
    nano = amount.scaleb(9)
    if nano != nano.to_integral_value():
        raise ValueError("the amount has more than nine decimal places")
    return int(nano)
