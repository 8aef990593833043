"""What can be done with webhooks: make, list, change, delete, give a new secret, try."""

import secrets
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Change, new_id
from aqueduct.control.webhook_addresses import parse_url
from aqueduct.control.webhook_sender import Answer, WebhookSender
from aqueduct.domain.actor import Actor
from aqueduct.domain.event import Event, EventKind
from aqueduct.domain.permissions import Action
from aqueduct.domain.scopes import Kind
from aqueduct.domain.webhook import EVERY_EVENT, Webhook
from aqueduct.errors import InvalidValue
from aqueduct.storage import outbox
from aqueduct.storage.aggregates import WEBHOOKS
from aqueduct.storage.outbox import Delivery

MAX_DELIVERIES = 100


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a webhook that is to be made; without an organisation it is the whole installation's."""

    name: str
    url: str
    events: tuple[str, ...] = (EVERY_EVENT,)
    is_active: bool = True


@dataclass(frozen=True)
class CreatedWebhook:
    """A webhook and its secret, which is not shown again."""

    webhook: Webhook
    secret: str = field(repr=False)


class Webhooks(Aggregate[Webhook]):
    """The use cases on webhooks."""

    records = WEBHOOKS
    kind = Kind.WEBHOOK
    noun = "webhook"
    prefix = "whk"
    changeable = frozenset({"name", "url", "events", "is_active"})
    ended = None

    async def create(self, actor: Actor, wanted: NewWebhook, *, organisation: str | None = None) -> CreatedWebhook:
        """Make a webhook with a secret of its own, of an organisation, or else of the actor's own or of everything."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            organisation_id = actor.organisation_id
            if organisation is not None:
                found = await Organisations(self.registry).find(change.connection, actor.unscoped, organisation)
                organisation_id = found.id
            made = await self.add_new(change, wanted, organisation_id)
        return CreatedWebhook(made, self.registry.webhook_secrets.make(made.id))

    async def add_new(self, change: Change, wanted: NewWebhook, organisation_id: str | None) -> Webhook:
        """Add a webhook to a transaction; it is delivered to once `webhook_secrets.make` has made its secret."""
        made = Webhook(
            id=new_id(self.prefix),
            organisation_id=organisation_id,
            created_at=change.now,
            **msgspec.structs.asdict(wanted),
        )
        return await self.add(change, made)

    async def rotate(self, actor: Actor, reference: str) -> CreatedWebhook:
        """Give a webhook a new secret; messages are signed with the old one too for a day."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            found = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, found)
            await change.record("rotate", self.kind, found, found)
        return CreatedWebhook(found, self.registry.webhook_secrets.make(found.id))

    async def test(self, actor: Actor, reference: str, sender: WebhookSender) -> Answer:
        """Send a message of the kind `webhook.test` now, once, and say what came of it."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            found = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, found)
            await change.record("test", self.kind, found, found)
        known = self.registry.webhook_secrets.known().get(found.id)
        if known is None:
            raise InvalidValue("The webhook's secret is not in this data directory. Give it a new one.")
        event = Event(
            id=f"evt_{secrets.token_hex(16)}",
            kind=EventKind.TEST,
            happened_at=change.now,
            organisation_id=found.organisation_id,
            data={"webhook_id": found.id},
        )
        return await sender.send(found, event, known.usable(change.now))

    async def deliveries(self, actor: Actor, reference: str) -> list[Delivery]:
        """Return what was sent to a webhook of late, the newest first."""
        async with self.registry.database.reading() as connection:
            found = await self.find(connection, actor, reference)
            return await outbox.latest(connection, found.id, MAX_DELIVERIES)

    @override
    async def delete(self, actor: Actor, reference: str, *, version: int | None = None) -> Webhook:
        found = await super().delete(actor, reference, version=version)
        self.registry.webhook_secrets.forget(found.id)
        return found

    @override
    async def check(self, connection: AsyncConnection, item: Webhook) -> None:
        await super().check(connection, item)
        parse_url(item.url)
        known = {EVERY_EVENT, *EventKind} - {EventKind.TEST}
        if unknown := set(item.events) - known:
            raise InvalidValue(f"There is no event `{min(unknown)[:50]}`. The events are {', '.join(sorted(known))}.")
        if not item.events:
            raise InvalidValue("A webhook is told of one kind of event at least. Switch it off to tell it of none.")
