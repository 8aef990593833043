"""The audit log as it is shown."""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import override

from aqueduct.admin_api.schemas import Instant, PageQuery, ShownInstant, Text, View
from aqueduct.storage.pages import Listing


class AuditView(View):
    """One change: who made it, when, from where, before and after (null: it was not there)."""

    id: str
    happened_at: ShownInstant
    actor_kind: str
    actor_id: str | None
    actor_name: str
    address: str | None
    action: str
    object_type: str
    object_id: str
    organisation_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditFilters(BaseModel):
    """What entries are about, and when it happened."""

    actor_id: Text | None = None
    action: Text | None = None
    object_type: Text | None = None
    object_id: Text | None = None
    organisation_id: Text | None = None
    since: Annotated[Instant | None, Field(description="The earliest.")] = None
    until: Annotated[Instant | None, Field(description="The end: what happened before it.")] = None

    def within(self, listing: Listing) -> Listing:
        """Return a listing narrowed to the time that is asked for."""
        since, until = (None if at is None else at.timestamp() for at in (self.since, self.until))
        filters = {name: value for name, value in listing.filters.items() if name not in ("since", "until")}
        return dataclasses.replace(listing, filters=filters, since=since, until=until)


class AuditQuery(PageQuery, AuditFilters):
    """Which entries are wanted."""

    sort: Literal["happened_at", "-happened_at"] = "-happened_at"

    @override
    def listing(self) -> Listing:
        return self.within(super().listing())


class AuditExport(AuditFilters):
    """Which entries are wanted, and how they are written."""

    format: Literal["jsonl", "csv"] = "jsonl"
