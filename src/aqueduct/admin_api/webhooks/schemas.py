"""Webhooks as they are said and shown."""

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from aqueduct.admin_api.schemas import (
    OMITTED,
    Body,
    Changes,
    NamedQuery,
    PageQuery,
    ShownInstant,
    Text,
    VersionedView,
    View,
)
from aqueduct.control.webhooks import NewWebhook, ToldEvent
from aqueduct.domain.event import EventKind
from aqueduct.domain.webhook import EVERY_EVENT
from aqueduct.storage.outbox import State
from aqueduct.upstream.addresses import MAX_URL_CHARACTERS

EVENTS = sorted({EVERY_EVENT, *EventKind} - {EventKind.TEST})
Url = Annotated[str, Field(min_length=8, max_length=MAX_URL_CHARACTERS)]
Events = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": EVENTS}, max_length=50)]],
    Field(min_length=1, max_length=len(EVENTS)),
]


class WebhookView(VersionedView):
    """A webhook; its secret is never shown again. One of no organisation is told of everything."""

    id: str
    organisation_id: str | None
    name: str
    url: str
    events: list[str]
    is_active: bool


class WebhookMade(WebhookView):
    """A webhook and its secret, shown only now: null where the same request is answered again much later."""

    secret: str | None


class NewWebhookBody(Body):
    """A webhook that is to be made; without an organisation of your own one, or (an administrator's) of everything."""

    name: Text
    url: Url
    events: Events = Field(default_factory=lambda: [EVERY_EVENT])
    is_active: bool = True
    organisation: Text | None = None

    @property
    def wanted(self) -> NewWebhook:
        """The webhook as use cases take it."""
        return NewWebhook(name=self.name, url=self.url, events=tuple(self.events), is_active=self.is_active)


class WebhookChanges(Changes):
    """What of a webhook can change."""

    name: Text = OMITTED
    url: Url = OMITTED
    events: Events = OMITTED
    is_active: bool = OMITTED


class WebhookQuery(NamedQuery):
    """Which webhooks are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
    name: Text | None = None
    organisation_id: Text | None = None
    is_active: bool | None = None


class DeliveryView(View):
    """A message to a webhook; `status` and `error` are of the last attempt, `next_attempt_at` of null is none."""

    event_id: str
    event: EventKind
    state: State
    attempts: int
    created_at: ShownInstant
    next_attempt_at: ShownInstant | None
    ended_at: ShownInstant | None
    status: int | None
    error: str | None


class DeliveryQuery(PageQuery):
    """Which messages are wanted."""

    sort: Literal["created_at", "-created_at"] = "-created_at"
    state: State | None = None


def show_delivery(told: ToldEvent) -> DeliveryView:
    """Show a message."""
    return DeliveryView.model_validate(msgspec.structs.asdict(told.delivery) | {"event": told.event.kind})
