"""Usage as it is shown."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from aqueduct.admin_api.schemas import Body, Instant, View


class UsageView(View):
    """What one group used; `key` is null where requests had none."""

    key: str | None
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int


class UsageReport(BaseModel):
    """Usage by group, and all of it together."""

    data: list[UsageView]
    total: UsageView


class UsageQuery(Body):
    """Which usage is wanted: from an instant on, until another (not included), a row a group."""

    by: Literal["model", "token", "day", "target"] = "model"
    since: Annotated[Instant | None, Field(description="By default 30 days ago.")] = None
    until: Instant | None = None
