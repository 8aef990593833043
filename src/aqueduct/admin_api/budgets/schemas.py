"""Budgets as they are said and shown."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator

from aqueduct.admin_api.schemas import (
    OMITTED,
    Body,
    Changes,
    Money,
    ShownInstant,
    SubjectBody,
    SubjectQuery,
    SubjectView,
    Text,
)
from aqueduct.control.allowances import MAX_THRESHOLD, NewBudget
from aqueduct.domain.budget import Period

Thresholds = Annotated[list[Annotated[int, Field(ge=1, le=MAX_THRESHOLD)]], Field(max_length=20)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


class BudgetView(SubjectView):
    """A budget; `amount` and `spent` are texts, exact, in units of the currency; the present period began then."""

    amount: str
    spent: str
    period_began_at: ShownInstant
    currency: str
    period: Period
    time_zone: str
    is_hard: bool
    alert_thresholds: list[int]

    @field_validator("amount", "spent", mode="before")
    @classmethod
    def write_amount(cls, amount: object) -> object:
        """Write an amount without zeros at its end."""
        return f"{amount.normalize():f}" if isinstance(amount, Decimal) else amount


class BudgetValues(Body):
    """An amount of money for each period: a hard budget refuses when it is used up, a soft one only tells."""

    amount: Money
    period: Period
    currency: Currency = "USD"
    time_zone: Text = "UTC"
    is_hard: bool = True
    alert_thresholds: Thresholds = Field(default_factory=list)

    @property
    def wanted(self) -> NewBudget:
        """The budget as use cases take it."""
        return NewBudget(
            amount=self.amount,
            period=self.period,
            currency=self.currency,
            time_zone=self.time_zone,
            is_hard=self.is_hard,
            alert_thresholds=tuple(self.alert_thresholds),
        )


class NewBudgetBody(SubjectBody, BudgetValues):
    """A budget of a subject that is to be made."""


class BudgetChanges(Changes):
    """What of a budget can change."""

    amount: Money = OMITTED
    time_zone: Text = OMITTED
    is_hard: bool = OMITTED
    alert_thresholds: Thresholds = OMITTED


class BudgetQuery(SubjectQuery):
    """Which budgets are wanted."""

    sort: Literal["created_at", "-created_at"] = "created_at"
    period: Period | None = None
    currency: Text | None = None
    is_hard: bool | None = None
