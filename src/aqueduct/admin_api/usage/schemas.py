"""Usage as it is shown."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from aqueduct.admin_api.schemas import Body, Instant, Text
from aqueduct.control.usage import FILTERS, Rank
from aqueduct.control.usage_export import LineFormat


class UsageView(BaseModel):
    """What one group used, with exact costs by currency, and what the response cache saved.

    `keys` has an entry a grouping (null: none), `names` what people call those that are ids.
    """

    keys: dict[str, str | None]
    names: dict[str, str | None]
    requests: int
    errors: int
    units: dict[str, int]
    costs: dict[str, Decimal]
    saved: dict[str, Decimal]
    duration_ms: int


class UsageReport(BaseModel):
    """Usage by group, and all of it together."""

    data: list[UsageView]
    total: UsageView


class UsageFilter(Body):
    """Which usage is wanted: from an instant on, until another, and of what."""

    since: Annotated[Instant | None, Field(description="By default the beginning (UTC) of the day 30 days ago.")] = None
    until: Instant | None = None
    organisation_id: Text | None = None
    team_id: Text | None = None
    user_id: Text | None = None
    service_account_id: Text | None = None
    api_token_id: Text | None = None
    model: Text | None = None
    provider: Text | None = None
    target: Text | None = None
    end_user: Text | None = None

    def filters(self) -> dict[str, str]:
        """Return the columns that must have a value."""
        return {name: value for name in FILTERS if (value := getattr(self, name)) is not None}


class UsageQuery(UsageFilter):
    """Which usage is wanted: of whole hours, a row a group."""

    by: Annotated[str, Field(max_length=200, description="Groupings, parted by commas: `team,model`.")] = "model"


class UsageReportQuery(UsageQuery):
    """Which usage is wanted, and of how many groups; `total` is of all of them in any case."""

    top: Annotated[
        int | None, Field(ge=1, le=1000, description="Only so many groups (of one grouping): the highest first.")
    ] = None
    rank_by: Annotated[Rank, Field(description="What the highest have most of.")] = Rank.REQUESTS


class UsageExportQuery(UsageQuery):
    """Which usage is wanted, and how it is written."""

    format: LineFormat = LineFormat.CSV


class RequestsExportQuery(UsageFilter):
    """Which requests are wanted, and how they are written."""

    format: LineFormat = LineFormat.JSONL
