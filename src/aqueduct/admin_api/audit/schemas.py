"""The audit log as it is shown."""

from typing import Any, Literal

from pydantic import BaseModel

from aqueduct.admin_api.schemas import PageQuery, ShownInstant, Text, View


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
    """What entries are about."""

    actor_id: Text | None = None
    action: Text | None = None
    object_type: Text | None = None
    object_id: Text | None = None
    organisation_id: Text | None = None


class AuditQuery(PageQuery, AuditFilters):
    """Which entries are wanted."""

    sort: Literal["happened_at", "-happened_at"] = "-happened_at"


class AuditExport(AuditFilters):
    """Which entries are wanted, and how they are written."""

    format: Literal["jsonl", "csv"] = "jsonl"
