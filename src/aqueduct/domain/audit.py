"""The audit log: who changed what, when, from where, before and after."""

from typing import Any

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change. Neither `before` (None: it was made) nor `after` (None: it is gone) ever holds a secret."""

    id: str
    happened_at: float
    actor_kind: str
    actor_id: str | None = None
    actor_name: str
    address: str | None = None
    action: str
    object_type: str
    object_id: str
    organisation_id: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
