"""Usage as it is shown."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from aqueduct.admin_api.schemas import Body, Instant


class UsageView(BaseModel):
    """What one group used: what it is called by each grouping (null: none), its units, and exact costs by currency."""

    keys: dict[str, str | None]
    requests: int
    errors: int
    units: dict[str, int]
    costs: dict[str, Decimal]
    duration_ms: int


class UsageReport(BaseModel):
    """Usage by group, and all of it together."""

    data: list[UsageView]
    total: UsageView


class UsageQuery(Body):
    """Which usage is wanted: whole hours from an instant on, until another, a row a group."""

    by: Annotated[str, Field(max_length=200, description="Groupings, parted by commas: `team,model`.")] = "model"
    since: Annotated[Instant | None, Field(description="By default 30 days ago.")] = None
    until: Instant | None = None
