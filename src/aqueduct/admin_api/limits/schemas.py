"""Limits as they are said and shown."""

from typing import Annotated, Literal

from pydantic import Field

from aqueduct.admin_api.schemas import OMITTED, Body, Changes, SubjectBody, SubjectQuery, SubjectView, Text
from aqueduct.control.allowances import MAX_LIMIT, NewLimit
from aqueduct.domain.limit import Dimension

Amount = Annotated[int, Field(ge=0, le=MAX_LIMIT)]
Multipliers = Annotated[dict[Text, Annotated[float, Field(ge=0, le=1_000_000)]], Field(max_length=1000)]


class LimitView(SubjectView):
    """A limit."""

    dimension: Dimension
    amount: int
    model_pattern: str | None
    multipliers: dict[str, float]


class LimitValues(Body):
    """An amount of one dimension, of all models or of those that a name or pattern means."""

    dimension: Dimension
    amount: Amount
    model_pattern: Text | None = None
    multipliers: Multipliers = Field(default_factory=dict)

    @property
    def wanted(self) -> NewLimit:
        """The limit as use cases take it."""
        return NewLimit(
            dimension=self.dimension,
            amount=self.amount,
            model_pattern=self.model_pattern,
            multipliers=self.multipliers,
        )


class NewLimitBody(SubjectBody, LimitValues):
    """A limit of a subject that is to be made."""


class LimitChanges(Changes):
    """What of a limit can change."""

    amount: Amount = OMITTED
    model_pattern: Text | None = OMITTED
    multipliers: Multipliers = OMITTED


class LimitQuery(SubjectQuery):
    """Which limits are wanted."""

    sort: Literal["created_at", "-created_at", "amount", "-amount"] = "created_at"
    dimension: Dimension | None = None
