"""What can be done with webhooks: make, list, change, delete, give a new secret, try."""

import dataclasses
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Change, new_id
from aqueduct.control.webhook_addresses import parse_url, require_allowed
from aqueduct.control.webhook_sender import Answer, WebhookSender
from aqueduct.domain.actor import Actor
from aqueduct.domain.event import Event, EventKind
from aqueduct.domain.identity import Role
from aqueduct.domain.permissions import EVERYWHERE, Action
from aqueduct.domain.scopes import Kind
from aqueduct.domain.webhook import EVERY_EVENT, Webhook
from aqueduct.errors import InvalidValue
from aqueduct.storage import outbox
from aqueduct.storage.aggregates import EVENTS, WEBHOOKS
from aqueduct.storage.outbox import DELIVERIES, Delivery
from aqueduct.storage.pages import Listing, Page, read_page

NEWEST_FIRST = Listing(sort="-created_at")


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


class ToldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and how far it has come on its way to one webhook."""

    event: Event
    delivery: Delivery


class Webhooks(Aggregate[Webhook]):
    """The use cases on webhooks."""

    records = WEBHOOKS
    kind = Kind.WEBHOOK
    noun = "webhook"
    prefix = "whk"
    changeable = frozenset({"name", "url", "events", "is_active"})
    ended = None

    async def create(self, actor: Actor, wanted: NewWebhook, *, organisation: str | None = None) -> CreatedWebhook:
        """Make a webhook with a secret of its own.

        Without an organisation it is an administrator's for everything, and anybody else's for his own organisation.
        """
        async with self.registry.changing(actor, taken=self.taken) as change:
            organisation_id = None if actor.role is Role.ADMIN else actor.organisation_id
            if organisation is not None:
                found = await Organisations(self.registry).find(change.connection, actor.unscoped, organisation)
                organisation_id = found.id
            made = Webhook(
                id=new_id(self.prefix),
                organisation_id=organisation_id,
                created_at=change.now,
                **msgspec.structs.asdict(wanted),
            )
            await self.add(change, made)
            return await self._with_secret(change, made)

    async def rotate(self, actor: Actor, reference: str) -> CreatedWebhook:
        """Give a webhook a new secret; messages are signed with the old one too for a day."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            found = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, found)
            await change.record("rotate", self.kind, found, found)
            return await self._with_secret(change, found)

    async def test(self, actor: Actor, reference: str, sender: WebhookSender) -> Answer:
        """Send a message of the kind `webhook.test` now, once, and say what came of it."""
        async with self._testing(actor, reference) as (change, found):
            secret = await self.registry.webhook_secrets.find(change.connection, found.id)
        if secret is None:
            raise InvalidValue("The webhook has no secret yet. Give it one.")
        return await sender.send(found, new_test(found, change.now), secret.usable(change.now))

    async def queue_test(self, actor: Actor, reference: str) -> ToldEvent:
        """Have a gateway send a message of the kind `webhook.test` within seconds, once; see `deliveries`."""
        async with self._testing(actor, reference) as (change, found):
            if not found.is_active:
                raise InvalidValue("The webhook is switched off, and is sent nothing. Switch it on first.")
            event = new_test(found, change.now)
            return ToldEvent(event=event, delivery=await outbox.queue(change.connection, event, found.id))

    async def deliveries(self, actor: Actor, reference: str, listing: Listing = NEWEST_FIRST) -> Page[ToldEvent]:
        """Read one page of what was sent to a webhook of late, and is yet to be."""
        async with self.registry.database.reading() as connection:
            found = await self.find(connection, actor, reference)
            listing = dataclasses.replace(listing, filters={**listing.filters, "webhook_id": found.id})
            page = await read_page(connection, DELIVERIES, listing, EVERYWHERE, ended=None)
            events = await EVENTS.select(connection, id=[each.event_id for each in page.items])
        by_id = {event.id: event for event in events}
        told = [ToldEvent(event=by_id[each.event_id], delivery=each) for each in page.items]
        return Page(told, page.next_cursor)

    @override
    async def add(self, change: Change, item: Webhook) -> Webhook:
        added = await super().add(change, item)
        self.require_allowed(added)
        return added

    @override
    async def replace(self, change: Change, before: Webhook, after: Webhook, version: int | None = None) -> Webhook:
        changed = await super().replace(change, before, after, version)
        # One that leads where it may no longer can still be switched off.
        if changed.url != before.url:
            self.require_allowed(changed)
        return changed

    def require_allowed(self, item: Webhook) -> None:
        """Raise `Forbidden` for a URL whose address is private and not allowed."""
        require_allowed(parse_url(item.url)[0], self.registry.webhook_networks)

    @override
    async def check(self, connection: AsyncConnection, item: Webhook) -> None:
        await super().check(connection, item)
        parse_url(item.url)
        known = {EVERY_EVENT, *EventKind} - {EventKind.TEST}
        if unknown := set(item.events) - known:
            raise InvalidValue(f"There is no event `{min(unknown)[:50]}`. The events are {', '.join(sorted(known))}.")
        if not item.events:
            raise InvalidValue("A webhook is told of one kind of event at least. Switch it off to tell it of none.")

    async def _with_secret(self, change: Change, webhook: Webhook) -> CreatedWebhook:
        made = await self.registry.webhook_secrets.make(change.connection, webhook.id, change.now)
        return CreatedWebhook(webhook, made)

    @asynccontextmanager
    async def _testing(self, actor: Actor, reference: str) -> AsyncIterator[tuple[Change, Webhook]]:
        """Open a change in which a webhook is tried by somebody who may."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            found = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, found)
            await change.record("test", self.kind, found, found)
            yield change, found


def new_test(webhook: Webhook, now: float) -> Event:
    """Return the event that a webhook is tried with; each is another one."""
    return Event(
        id=f"evt_{secrets.token_hex(16)}",
        kind=EventKind.TEST,
        happened_at=now,
        organisation_id=webhook.organisation_id,
        data={"webhook_id": webhook.id},
    )
