"""Webhooks: who is told of events, and how a receiver knows that it was us."""

from aqueduct.domain.versioned import Versioned


class Webhook(Versioned, frozen=True, kw_only=True):
    """An address that events are sent to; its secret is never part of this value. No `organisation_id`: of all."""

    id: str
    organisation_id: str | None = None
    url: str
    events: tuple[str, ...]
    is_active: bool = True
